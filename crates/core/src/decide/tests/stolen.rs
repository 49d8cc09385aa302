//! What yields the credential of an agent, of a delegated subject, of the control plane or of the operator is a prod
//! write to it, in whatever place.

use crate::{
    certificate_request::tests::request_for,
    decide::decide,
    decision::{Decision, Reason},
    delegation::{DelegatedNamespaces, DelegatedResource, Delegation},
    environment::Environment,
    fixtures::{Ask, Said, World, approved, ask, creates, deletes, now, updates, world, zone},
    request::Operation,
    review::ReviewDecision,
    role::Role,
};

const BOT: &str = "system:serviceaccount:ci:bot";
const MANAGER: &str = "system:serviceaccount:ci:manager";

/// Everything happens outside prod, in places of Carl, who contributes; Ada and Ben are admins. In `ci` the agent bot
/// and the delegated manager have their accounts, beside others.
fn company() -> World {
    let dev = [("countersign.dev/environment", "dev")];
    let world = world()
        .admin("ada")
        .admin("ben")
        .contributor("carl")
        .namespace("ci", &dev)
        .namespace("kube-system", &dev)
        .namespace("countersign-system", &dev)
        .agent("bot", Role::Contributor, "greta", "ci:bot")
        .zone(zone(
            "carls",
            "user:carl",
            &["ci/**", "kube-system/**", "countersign-system/**"],
        ));
    delegated(world, MANAGER)
}

/// The subject may make and change pods, Deployments and accounts in `ci`, and connect to them.
fn delegated(mut world: World, username: &str) -> World {
    let resource = |(group, resource, subresource): (&str, &str, &str)| DelegatedResource {
        group: group.into(),
        resource: resource.into(),
        subresource: subresource.into(),
    };
    let resources = [
        ("", "pods", ""),
        ("", "pods", "exec"),
        ("apps", "deployments", ""),
        ("", "serviceaccounts", ""),
        ("", "serviceaccounts", "token"),
    ];
    let delegation = Delegation {
        name: "manager".into(),
        username: username.into(),
        resources: resources.map(resource).to_vec(),
        operations: vec![
            Operation::Create,
            Operation::Update,
            Operation::Delete,
            Operation::Connect,
        ],
        namespaces: DelegatedNamespaces::Names(vec!["ci".into()]),
        parent: None,
        evaluation: crate::delegation::Evaluation::Webhook,
        fields: Vec::new(),
        expires_at: None,
        degraded: None,
    };
    let of_user = world.snapshot.delegations.entry(username.into()).or_default();
    of_user.push_back(delegation.into());
    world
}

fn object(rest: &str) -> String {
    format!(r#"{{"metadata":{{"name":"x","uid":"object-uid","resourceVersion":"7"}},{rest}}}"#)
}

fn made(who: &str, place: &str, rest: &str) -> Ask {
    let mut ask = creates(who, place);
    ask.new = Some(object(rest));
    ask
}

fn changed(who: &str, place: &str, old: &str, new: &str) -> Ask {
    updates(who, place).from(&object(old), &object(new))
}

/// Says that only admins do this, and with an approval.
#[track_caller]
fn is_for_admins(world: &World, ask: impl Fn(&str) -> Ask) {
    assert_eq!(world.says(&ask("carl")), Said::Deny(Reason::StolenIdentity));
    assert_eq!(world.enforces(&ask("carl")), Said::Deny(Reason::StolenIdentity));
    assert_eq!(world.says(&ask("ada")), Said::Needs);
    assert_eq!(
        world.enforces(&ask("ada")),
        Said::Needs,
        "as in prod, which blocks"
    );
}

/// Says that who may write in the place does this, with an approval.
#[track_caller]
fn needs_approval(world: &World, ask: &Ask) {
    assert_eq!(world.says(ask), Said::Needs);
    assert_eq!(world.enforces(ask), Said::Needs, "as in prod, which blocks");
}

#[track_caller]
fn is_free(world: &World, ask: &Ask) {
    assert_eq!(world.says(ask), Said::Allow(Reason::Permitted));
}

/// The kinds that hold pods, with one of this account.
fn workloads(account: &str) -> Vec<(&'static str, String)> {
    let spec = format!(r#"{{"serviceAccountName":"{account}","containers":[]}}"#);
    let templated = format!(r#""spec":{{"template":{{"spec":{spec}}}}}"#);
    let mut workloads = vec![
        ("ci/pods/x", format!(r#""spec":{spec}"#)),
        ("ci/podtemplates/x", format!(r#""template":{{"spec":{spec}}}"#)),
        (
            "ci/cronjobs.batch/x",
            format!(r#""spec":{{"jobTemplate":{{{templated}}}}}"#),
        ),
        (
            "ci/controllerrevisions.apps/x",
            format!(r#""data":{{{templated}}}"#),
        ),
    ];
    let others = [
        "ci/deployments.apps/x",
        "ci/replicasets.apps/x",
        "ci/statefulsets.apps/x",
        "ci/daemonsets.apps/x",
        "ci/jobs.batch/x",
        "ci/replicationcontrollers/x",
    ];
    workloads.extend(others.map(|place| (place, templated.clone())));
    workloads
}

#[test]
fn what_runs_under_somebodys_account_is_made_by_admins() {
    let world = company();
    for account in ["bot", "manager"] {
        for (place, rest) in workloads(account) {
            is_for_admins(&world, |who| made(who, place, &rest));
        }
    }
    for (place, rest) in workloads("other") {
        is_free(&world, &made("carl", place, &rest));
    }
    // An account is one of its namespace.
    let (_, pod) = workloads("bot").swap_remove(0);
    let elsewhere = made("ada", "lab/pods/x", &pod);
    is_free(&world, &elsewhere);
}

#[test]
fn the_former_name_of_the_field_counts_and_no_name_is_the_default_account() {
    let named = |key: &str| format!(r#""spec":{{"template":{{"spec":{{{key}"containers":[]}}}}}}"#);
    let deployment = |who: &str, key: &str| made(who, "ci/deployments.apps/x", &named(key));
    is_for_admins(&company(), |who| deployment(who, r#""serviceAccount":"bot","#));
    is_free(&company(), &deployment("carl", ""));
    let of_default = company().agent("def", Role::Agent, "greta", "ci:default");
    for key in [
        "",
        r#""serviceAccountName":"","#,
        r#""serviceAccountName":null,"serviceAccount":null,"#,
    ] {
        is_for_admins(&of_default, |who| deployment(who, key));
    }
    let named = deployment("carl", r#""serviceAccountName":"other","#);
    is_free(&of_default, &named);
    // The API server names the account of a pod before it asks: a pod without one has none.
    is_free(
        &of_default,
        &made("carl", "ci/pods/x", r#""spec":{"containers":[]}"#),
    );
}

#[test]
fn a_change_of_what_runs_is_the_business_of_its_place_with_an_approval() {
    let world = company();
    let spec = |account: &str, image: &str, more: &str| {
        format!(
            r#""spec":{{{more}"template":{{"spec":{{"serviceAccountName":"{account}","containers":[{{"image":"{image}"}}]}}}}}}"#
        )
    };
    let place = "ci/deployments.apps/x";
    let changes = |new: &str| changed("carl", place, &spec("bot", "1", ""), new);
    needs_approval(&world, &changes(&spec("bot", "2", "")));
    let scaled = changes(&spec("bot", "1", r#""replicas":3,"#));
    is_free(&world, &scaled);
    is_free(&world, &changes(&spec("other", "2", "")));
    assert_eq!(
        world.says(&changes(&spec("bot", "1", ""))),
        Said::Allow(Reason::NoOp)
    );
    is_for_admins(&world, |who| {
        changed(who, place, &spec("other", "1", ""), &spec("bot", "1", ""))
    });
    is_for_admins(&world, |who| {
        changed(who, place, &spec("manager", "1", ""), &spec("bot", "1", ""))
    });

    let pod = |image: &str, debugs: &str| {
        format!(r#""spec":{{"serviceAccountName":"bot","containers":["{image}"]{debugs}}}"#)
    };
    let changes = |new: &str| changed("carl", "ci/pods/x", &pod("1", ""), new);
    needs_approval(&world, &changes(&pod("2", "")));
    let debugs = changes(&pod("1", r#","ephemeralContainers":["sh"]"#)).sub("ephemeralcontainers");
    needs_approval(&world, &debugs);
    is_free(&world, &changes(&pod("1", r#","schedulingGates":[]"#)));
    // What the API server lets these change is not what runs.
    for subresource in ["status", "resize"] {
        is_free(&world, &changes(&pod("2", "")).sub(subresource));
    }
}

#[test]
fn a_former_template_that_does_not_tell_its_account_is_for_admins() {
    let revision = |patch: &str| {
        format!(r#""data":{{"spec":{{"template":{{{patch}"spec":{{"containers":[{{"image":"1"}}]}}}}}}}}"#)
    };
    let place = "ci/controllerrevisions.apps/x";
    is_for_admins(&company(), |who| made(who, place, &revision("")));
    is_for_admins(&company(), |who| {
        made(who, place, &revision(r#""$patch":"merge","#))
    });
    is_free(
        &company(),
        &made("carl", place, &revision(r#""$patch":"replace","#)),
    );
    for other in [
        r#""data":{"spec":{"template":{"spec":{"domain":{}}}}}"#,
        r#""data":{"a":1}"#,
        r#""data":null"#,
        r#""revision":1"#,
    ] {
        is_free(&company(), &made("carl", place, other));
    }
}

#[test]
fn a_former_template_is_read_as_its_controller_reads_it() {
    let place = "ci/controllerrevisions.apps/x";
    let replaced = |pods: &str| {
        format!(
            r#""data":{{"spec":{{"template":{{"$patch":"replace","spec":{{"containers":[],{pods}}}}}}}}}"#
        )
    };
    for pods in [
        r#""serviceAccountName":"other","ſerviceAccountName":"bot""#,
        r#""serviceAccountName":"other","\u017ferviceAccountName":"bot""#,
        r#""ServiceAccountName":"bot""#,
        r#""serviceaccount":"bot""#,
        r#""containerſ":[]"#,
    ] {
        is_for_admins(&company(), |who| made(who, place, &replaced(pods)));
    }
    let bot = r#"{"template":{"spec":{"serviceAccountName":"bot"}}}"#;
    for data in [
        format!(r#""ſpec":{bot}"#),
        format!(r#""spec":{{"replicas":1}},"SPEC":{bot}"#),
        r#""spec":{"Template":{"spec":{"serviceAccountName":"bot"}}}"#.to_owned(),
        r#""spec":{"template":{"spec":{},"Spec":{"serviceAccountName":"bot"}}}"#.to_owned(),
        r#""spec":{"template":{"spec":{"Containers":[]}}}"#.to_owned(),
    ] {
        is_for_admins(&company(), |who| {
            made(who, place, &format!(r#""data":{{{data}}}"#))
        });
    }
    // Laid over the present template, whose account counts as long as none is put in its place.
    let added = |account: &str| {
        format!(r#""data":{{"spec":{{"template":{{"spec":{{{account}"containers":[]}}}}}}}}"#)
    };
    for account in [
        r#""serviceAccount":"other","#,
        r#""serviceAccountName":null,"serviceAccount":"other","#,
        r#""serviceAccountName":"","serviceAccount":"other","#,
    ] {
        is_for_admins(&company(), |who| made(who, place, &added(account)));
    }
    is_free(
        &company(),
        &made("carl", place, &added(r#""serviceAccountName":"other","#)),
    );
}

#[test]
fn tokens_and_accounts_are_for_admins() {
    let world = company();
    for account in ["bot", "manager"] {
        let place = format!("ci/serviceaccounts/{account}");
        is_for_admins(&world, |who| made(who, &place, r#""spec":{}"#).sub("token"));
        is_for_admins(&world, |who| made(who, &place, r#""secrets":[]"#));
        is_for_admins(&world, |who| deletes(who, &place));
        let owned = |owner: &str| format!(r#"{{"metadata":{{"uid":"u","ownerReferences":[{owner}]}}}}"#);
        is_for_admins(&world, |who| {
            updates(who, &place).from(&owned(""), &owned(r#"{"uid":"o"}"#))
        });
        let labelled = updates("carl", &place).from(
            r#"{"metadata":{"uid":"u"}}"#,
            r#"{"metadata":{"uid":"u","labels":{"a":"b"}}}"#,
        );
        is_free(&world, &labelled);
    }
    let other = "ci/serviceaccounts/other";
    is_free(&world, &creates("carl", other));
    is_free(&world, &deletes("carl", other));
    is_free(&world, &creates("carl", other).sub("token"));
}

#[test]
fn a_secret_for_a_token_is_for_admins() {
    let world = company();
    let secret = |kind: &str, account: &str, data: &str| {
        format!(
            r#"{{"metadata":{{"uid":"u","annotations":{{"kubernetes.io/service-account.name":"{account}"}}}},"type":"{kind}","data":{{{data}}}}}"#
        )
    };
    let token = |account: &str, data: &str| secret("kubernetes.io/service-account-token", account, data);
    let place = "ci/secrets/x";
    let makes = |who: &str, text: String| {
        let mut ask = creates(who, place);
        ask.new = Some(text);
        ask
    };
    is_for_admins(&world, |who| makes(who, token("bot", "")));
    is_free(&world, &makes("carl", token("other", "")));
    is_free(&world, &makes("carl", secret("Opaque", "bot", "")));
    let updates = |who: &str, old: &str, new: &str| updates(who, place).from(old, new);
    is_for_admins(&world, |who| updates(who, &token("other", ""), &token("bot", "")));
    let (old, new) = (token("bot", r#""token":"a""#), token("bot", ""));
    needs_approval(&world, &updates("carl", &old, &new));
    is_free(&world, &updates("carl", &old, &token("other", "")));
    is_free(&world, &deletes("carl", place));
}

#[test]
fn connections_to_what_runs_as_somebody_need_approval() {
    let world = company();
    for subresource in ["exec", "attach", "portforward", "proxy"] {
        let connects = |account| {
            ask("carl", Operation::Connect, "ci/pods/x")
                .sub(subresource)
                .running_as(account)
        };
        needs_approval(&world, &connects("bot"));
        is_free(&world, &connects("other"));
        let asks = connects("other");
        let mut unseen = asks.request();
        unseen.hidden = None;
        let (decision, _) = decide(&unseen, &world.snapshot, now());
        assert_eq!(Said::from(&decision), Said::Deny(Reason::Unreadable));
    }
    let service = ask("carl", Operation::Connect, "ci/services/x").sub("proxy");
    is_free(&world, &service);
}

#[test]
fn certificates_of_the_clusters_own_names_are_for_admins() {
    let world = company().policy(|policy| {
        policy.environments = vec![crate::policy::EnvironmentRule {
            environment: Some(Environment::Dev),
            cluster_scoped: true,
            ..crate::policy::EnvironmentRule::default()
        }];
    });
    let place = "@cluster/certificatesigningrequests.certificates.k8s.io/x";
    let csr = |signer: &str, request: &str| {
        format!(r#""spec":{{"signerName":"kubernetes.io/{signer}","request":"{request}"}}"#)
    };
    for name in [
        BOT,
        "system:serviceaccount:ci:nobody",
        "system:node:n1",
        "system:kube-scheduler",
        "system:anything",
    ] {
        let client = csr("kube-apiserver-client", &request_for(name));
        is_for_admins(&world, |who| made(who, place, &client));
        let approved = format!(r#"{client},"status":{{"conditions":[1]}}"#);
        is_for_admins(&world, |who| {
            changed(who, place, &client, &approved).sub("approval")
        });
        let serving = csr("kubelet-serving", &request_for(name));
        is_free(&world, &made("carl", place, &serving));
    }
    is_for_admins(&world, |who| {
        made(
            who,
            place,
            &csr("kube-apiserver-client-kubelet", &request_for("system:node:n1")),
        )
    });
    is_for_admins(&world, |who| made(who, place, &csr("kube-apiserver-client", "?")));
    let alice = csr("kube-apiserver-client", &request_for("alice"));
    is_free(&world, &made("carl", place, &alice));
}

#[test]
fn a_delegation_reaches_no_other_identity_and_hands_its_own_to_nobody() {
    let world = company();
    let pod = |account: &str| format!(r#""spec":{{"serviceAccountName":"{account}","containers":[]}}"#);
    let makes = |account| made(MANAGER, "ci/pods/x", &pod(account));
    assert_eq!(world.says(&makes("other")), Said::Allow(Reason::Delegated));
    for account in ["bot", "manager"] {
        assert_eq!(world.says(&makes(account)), Said::Deny(Reason::StolenIdentity));
        assert_eq!(
            world.enforces(&makes(account)),
            Said::Deny(Reason::StolenIdentity)
        );
    }
    let template = |image: u8| {
        format!(
            r#""spec":{{"template":{{"spec":{{"serviceAccountName":"bot","containers":[{{"image":"{image}"}}]}}}}}}"#
        )
    };
    let rolls = changed(MANAGER, "ci/deployments.apps/x", &template(1), &template(2));
    assert_eq!(world.says(&rolls), Said::Deny(Reason::StolenIdentity));
    let exec = |account| {
        ask(MANAGER, Operation::Connect, "ci/pods/x")
            .sub("exec")
            .running_as(account)
    };
    assert_eq!(world.says(&exec("other")), Said::Allow(Reason::Delegated));
    assert_eq!(world.says(&exec("bot")), Said::Deny(Reason::StolenIdentity));
    let token = creates(MANAGER, "ci/serviceaccounts/manager").sub("token");
    assert_eq!(world.says(&token), Said::Deny(Reason::StolenIdentity));
    // What no delegation covers is told so, as ever.
    let uncovered = made(MANAGER, "kube-system/pods/x", &pod("namespace-controller"));
    assert_eq!(world.says(&uncovered), Said::Deny(Reason::UnregisteredAccount));
}

#[test]
fn an_agent_gets_no_credential_of_its_own_unseen() {
    let mut shared = zone("bots", "user:carl", &["lab/**", "ci/**"]);
    shared.cooperators = vec![crate::fixtures::id("agent:bot")];
    let mut world = company();
    world.snapshot.zones = crate::zones::ZoneIndex::default();
    let world = world.zone(shared);
    let token = creates(BOT, "ci/serviceaccounts/bot").sub("token");
    assert_eq!(world.says(&token), Said::Deny(Reason::StolenIdentity));
    let exec = ask(BOT, Operation::Connect, "ci/pods/x")
        .sub("exec")
        .running_as("bot");
    needs_approval(&world, &exec);
    is_free(&world, &creates(BOT, "ci/configmaps/x"));
}

#[test]
fn the_control_plane_repeats_what_was_judged() {
    let world = company();
    let (_, pod) = workloads("bot").swap_remove(0);
    let template = r#""spec":{"template":{"spec":{"serviceAccountName":"bot"}}}"#;
    let controller = |name: &str| format!("system:serviceaccount:kube-system:{name}");
    for ask in [
        made(&controller("replicaset-controller"), "ci/pods/x", &pod),
        made(&controller("statefulset-controller"), "ci/pods/x", &pod),
        made(&controller("daemon-set-controller"), "ci/pods/x", &pod),
        made(&controller("job-controller"), "ci/pods/x", &pod),
        made(&controller("cronjob-controller"), "ci/jobs.batch/x", template),
        made(
            &controller("deployment-controller"),
            "ci/replicasets.apps/x",
            template,
        ),
        deletes(&controller("generic-garbage-collector"), "ci/serviceaccounts/bot"),
        creates("system:node:n1", "ci/serviceaccounts/bot")
            .sub("token")
            .in_group("system:nodes"),
        creates(
            "system:kube-controller-manager",
            "kube-system/serviceaccounts/job-controller",
        )
        .sub("token"),
    ] {
        assert_eq!(
            world.says(&ask),
            Said::Allow(Reason::Delegated),
            "{} {}",
            ask.username,
            ask.resource
        );
    }
}

#[test]
fn the_control_plane_and_the_operator_are_somebody_too() {
    let world = company();
    for place in [
        "kube-system/serviceaccounts/namespace-controller",
        "countersign-system/serviceaccounts/countersign",
    ] {
        is_for_admins(&world, |who| creates(who, place).sub("token"));
    }
    is_free(
        &world,
        &creates("carl", "kube-system/serviceaccounts/coredns").sub("token"),
    );
    is_free(
        &world,
        &creates("carl", "ci/serviceaccounts/namespace-controller").sub("token"),
    );
}

#[test]
fn nothing_relaxes_the_operators_credential_and_strict_mode_off_the_others() {
    let observing = company().observing();
    let token = |place: &str| creates("carl", place).sub("token");
    assert_eq!(
        observing.enforces(&token("ci/serviceaccounts/bot")),
        Said::Allow(Reason::Relaxed)
    );
    let operators = "countersign-system/serviceaccounts/countersign";
    assert_eq!(
        observing.enforces(&token(operators)),
        Said::Deny(Reason::StolenIdentity)
    );
    // A new version of the operator is a change like any.
    let template = |image: u8| {
        format!(r#""spec":{{"template":{{"spec":{{"serviceAccountName":"countersign","image":{image}}}}}}}"#)
    };
    let rolls = changed(
        "carl",
        "countersign-system/deployments.apps/countersign",
        &template(1),
        &template(2),
    );
    assert_eq!(observing.enforces(&rolls), Said::Allow(Reason::Relaxed));
    needs_approval(&company(), &rolls);
}

#[test]
fn an_approval_lets_an_admin_hand_a_credential_out() {
    let token = creates("ada", "ci/serviceaccounts/bot").sub("token");
    let demand = company().demand(&token);
    assert_eq!(demand.binding.environment, Environment::Prod);
    assert_eq!(demand.cause.to_string(), "Agent/bot spec.serviceAccounts");
    let (world, ticket) = company().ticket(&token, approved(), &[]);
    let world = world.review(&ticket, "user:ben", ReviewDecision::Approve);
    assert_eq!(world.says(&token), Said::Allow(Reason::Approved));
}

#[test]
fn a_denial_tells_whose_credential_it_is_about() {
    let told = |ask: &Ask| match company().decides(ask) {
        Decision::Deny(denial) => (denial.message, denial.cause.unwrap().to_string()),
        other => panic!("{other:?}"),
    };
    let way = "only admins do that, with an approval: ask one of them, or use another service account";
    let token = |place: &str| creates("carl", place).sub("token");
    for (ask, message, cause) in [
        (
            token("ci/serviceaccounts/bot"),
            format!("this would hand out the credential of agent:bot, `{BOT}`, and {way}"),
            "Agent/bot spec.serviceAccounts",
        ),
        (
            deletes("carl", "ci/serviceaccounts/manager"),
            format!("this would replace the service account of the delegated `{MANAGER}`, and {way}"),
            "WriteDelegation/manager spec.subject",
        ),
        (
            ask(MANAGER, Operation::Connect, "ci/pods/x")
                .sub("exec")
                .running_as("bot"),
            format!(
                "this reaches into what runs as agent:bot, `{BOT}`, and no delegation covers that: let an admin make \
                 this write"
            ),
            "Agent/bot spec.serviceAccounts",
        ),
    ] {
        assert_eq!(told(&ask), (message, cause.to_owned()));
    }
}
