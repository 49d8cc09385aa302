//! kubectl: from one kind of apply to the other, and what a diff asks.

use serde_json::json;

use super::flux::flux;

#[test]
fn one_ticket_is_enough_from_client_side_to_server_side_apply() {
    let area = flux().cluster.area();
    let olga = area.person("olga");
    let map = |value: &str| {
        area.config_map("settings", &json!({ "value": value }))
            .to_string()
    };
    let by_server =
        |value: &str| olga.kubectl_with("apply --server-side --force-conflicts -f -", &map(value));
    let tickets = || area.tickets_of("user:olga").len();

    area.with_approval(|| olga.kubectl_with("apply -f -", &map("first")));
    by_server("first").done();
    assert_eq!(tickets(), 1, "the same result by another way is no change");
    area.with_approval(|| by_server("second"));
    assert_eq!(tickets(), 2);

    for kind in ["", "--server-side --force-conflicts"] {
        let diff = olga.kubectl_with(&format!("diff {kind} -f -"), &map("third"));
        assert_eq!(diff.code, Some(1), "there is a difference: {}", diff.stderr);
        assert!(diff.stdout.contains("third"), "{}", diff.stdout);
    }
    assert_eq!(tickets(), 2, "a diff asks for nothing");
}
