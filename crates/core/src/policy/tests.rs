use super::*;

#[test]
fn what_leaves_the_hash_is_said_of_one_kind() {
    let entry = |group: &str, kind: &str, pointer: &str| HashIgnore {
        group: group.into(),
        kind: kind.into(),
        pointers: vec![pointer.parse().unwrap()],
    };
    let policy = Policy {
        hash_ignore: vec![
            entry("apps", "Deployment", "/spec/a"),
            entry("apps", "StatefulSet", "/spec/b"),
            entry("example.com", "Deployment", "/spec/c"),
            entry("apps", "Deployment", "/spec/d"),
        ],
        ..Policy::default()
    };
    let [a, b, d] = ["/spec/a", "/spec/b", "/spec/d"].map(|pointer| pointer.parse::<Pattern>().unwrap());
    assert_eq!(policy.hash_ignore("apps", "Deployment"), [a, d]);
    assert_eq!(policy.hash_ignore("apps", "StatefulSet"), [b]);
    assert_eq!(policy.hash_ignore("example.com", "StatefulSet"), []);
}
