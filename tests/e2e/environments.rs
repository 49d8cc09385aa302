//! Environments: a namespace leaves prod, and comes back, by approval; outside prod a violation passes with a warning.

use serde_json::json;

use super::harness::{Area, Outcome, shared, wait::until};

fn label(area: &Area<'_>, environment: &str) -> Outcome {
    let label = format!(
        "label --overwrite namespace {} countersign.dev/environment={environment}",
        area.namespace
    );
    area.person("olga").kubectl(&label)
}

#[test]
fn a_namespace_leaves_prod_and_comes_back_by_approval() {
    let area = shared().area();
    let foreign = |name: &str| {
        area.person("mallory")
            .create(&area.config_map(name, &json!({"a": "1"})))
    };
    foreign("before").denied("NotOfZone");

    area.with_approval(|| label(&area, "dev"));
    let mut names = 0..;
    until("the namespace to be known as dev", || {
        let created = foreign(&format!("in-dev-{}", names.next()?));
        let warned = created.stderr.contains("Warning: countersign: NotOfZone");
        (created.succeeded() && warned).then_some(())
    });

    area.with_approval(|| label(&area, "prod"));
    until("the namespace to be known as prod", || {
        (!foreign(&format!("in-prod-{}", names.next()?)).succeeded()).then_some(())
    });
    foreign("after").denied("NotOfZone");
}

#[test]
fn an_environment_that_there_is_not_is_prod() {
    let area = shared().area();
    area.with_approval(|| label(&area, "playground"));
    let object = area.config_map("app", &json!({"a": "1"}));
    area.person("mallory").create(&object).denied("NotOfZone");
    area.ticket(area.person("deployer").create(&object));
}
