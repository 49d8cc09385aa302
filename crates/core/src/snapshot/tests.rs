use crate::{
    fixtures::{id, world},
    role::Role,
};

#[test]
fn whoever_configuration_names_can_be_somebody() {
    let world = world()
        .grant("g", "user:granted", Role::Reader)
        .team("empty", &[], &[])
        .team("sre", &["user:member"], &[])
        .agent("bot", Role::Agent, "owner", "ci:bot");
    for known in [
        "user:granted",
        "team:empty",
        "team:sre",
        "user:member",
        "agent:bot",
    ] {
        assert!(world.snapshot.knows(&id(known)), "{known}");
    }
    for unknown in ["user:owner", "user:sre", "team:bot", "agent:granted"] {
        assert!(!world.snapshot.knows(&id(unknown)), "{unknown}");
    }
}
