use super::*;
use crate::fixtures::{Ask, ask};

const FLUX: &str = "system:serviceaccount:billing:flux";
const MARKED: &str = r#"{"metadata":{"name":"x","labels":{
    "kustomize.toolkit.fluxcd.io/name":"apps","kustomize.toolkit.fluxcd.io/namespace":"billing"}}}"#;
const BOTH: &str = r#"{"metadata":{"name":"x","labels":{
    "kustomize.toolkit.fluxcd.io/name":"apps","kustomize.toolkit.fluxcd.io/namespace":"billing",
    "helm.toolkit.fluxcd.io/name":"shop","helm.toolkit.fluxcd.io/namespace":"billing"}}}"#;
const HALF: &str = r#"{"metadata":{"name":"x","labels":{"kustomize.toolkit.fluxcd.io/name":"apps"}}}"#;
const TRACKED: &str = r#"{"metadata":{"name":"x","annotations":{"argocd.argoproj.io/tracking-id":"web:/ConfigMap:billing/x"}}}"#;
const ELSEWHERE: &str = r#"{"metadata":{"name":"x","annotations":{"argocd.argoproj.io/tracking-id":"team_web:/ConfigMap:billing/x"}}}"#;

fn write(username: &str, operation: Operation, object: &str, manager: &str) -> Ask {
    let mut ask = ask(username, operation, "billing/configmaps/x");
    (ask.old, ask.new) = match operation {
        Operation::Delete => (Some(object.to_owned()), None),
        _ => (None, Some(object.to_owned())),
    };
    ask.options = (!manager.is_empty()).then(|| format!(r#"{{"fieldManager":"{manager}"}}"#));
    ask
}

#[test]
fn the_marks_of_a_client_count_in_its_own_writes() {
    let (create, delete) = (Operation::Create, Operation::Delete);
    let flux = "kustomize-controller";
    for (who, operation, object, manager, owner) in [
        (FLUX, create, MARKED, flux, Some("Kustomization billing/apps")),
        (FLUX, create, BOTH, flux, Some("Kustomization billing/apps")),
        (
            FLUX,
            create,
            BOTH,
            "helm-controller",
            Some("HelmRelease billing/shop"),
        ),
        (FLUX, create, MARKED, "kubectl", None),
        (FLUX, create, MARKED, "", None),
        (FLUX, create, HALF, flux, None),
        (FLUX, delete, MARKED, "", Some("Kustomization billing/apps")),
        (FLUX, delete, BOTH, "", Some("HelmRelease billing/shop")),
        (
            FLUX,
            create,
            TRACKED,
            "argocd-controller",
            Some("Application argocd/web"),
        ),
        (FLUX, create, ELSEWHERE, "", Some("Application team/web")),
        ("olga", create, MARKED, flux, None),
    ] {
        let ask = write(who, operation, object, manager);
        let found = claimed_owner(&ask.request()).unwrap();
        let found = found.map(|owner| format!("{} {}/{}", owner.tool.kind(), owner.namespace, owner.name));
        assert_eq!(found.as_deref(), owner, "{who} {operation} {manager} {object}");
    }
}

#[test]
fn what_no_object_is_called_is_no_owner() {
    for id in [
        "../../secrets/x:/ConfigMap:billing/x",
        "web?watch=1:/ConfigMap:billing/x",
        "team/a_web:/ConfigMap:billing/x",
        ".._web:/ConfigMap:billing/x",
        "Web:/ConfigMap:billing/x",
    ] {
        let object = format!(
            r#"{{"metadata":{{"name":"x","annotations":{{"argocd.argoproj.io/tracking-id":"{id}"}}}}}}"#
        );
        let ask = write(FLUX, Operation::Create, &object, "argocd-controller");
        assert_eq!(claimed_owner(&ask.request()), Ok(None), "{id}");
        assert_eq!(
            unproven_authorship(&ask.request()),
            Authorship::Unverified,
            "{id}"
        );
    }
}

#[test]
fn who_wrote_what_is_delivered_or_asked_for_in_an_accounts_name_is_not_proven() {
    let bare = r#"{"metadata":{"name":"x"}}"#;
    let (create, delete) = (Operation::Create, Operation::Delete);
    let (claimed, unverified) = (Authorship::Claimed, Authorship::Unverified);
    for (who, uid, operation, object, manager, authorship) in [
        (FLUX, "sa-uid", create, bare, "kubectl", claimed),
        (FLUX, "sa-uid", create, bare, "", claimed),
        (FLUX, "sa-uid", delete, bare, "", claimed),
        (FLUX, "", create, bare, "kubectl", unverified),
        (FLUX, "", delete, bare, "", unverified),
        (FLUX, "sa-uid", create, MARKED, "kustomize-controller", unverified),
        (FLUX, "sa-uid", delete, MARKED, "", unverified),
        (FLUX, "sa-uid", create, TRACKED, "kubectl", unverified),
        // A hook of Helm bears no marks.
        (FLUX, "sa-uid", create, bare, "helm-controller", unverified),
        (FLUX, "sa-uid", create, HALF, "kustomize-controller", unverified),
        ("olga", "", create, bare, "helm-controller", claimed),
        ("olga", "", create, MARKED, "kustomize-controller", claimed),
    ] {
        let ask = write(who, operation, object, manager).of_uid(uid);
        assert_eq!(
            unproven_authorship(&ask.request()),
            authorship,
            "{who} {uid} {operation} {manager} {object}"
        );
    }
}

#[test]
fn an_owner_is_served_by_the_account_that_it_names_or_by_its_controller() {
    let owner = Owner {
        tool: Tool::Kustomization,
        namespace: "billing".to_owned(),
        name: "apps".to_owned(),
    };
    for (account, named, serves) in [
        (("billing", "flux"), Some(("billing", "flux")), true),
        (("billing", "flux"), Some(("billing", "other")), false),
        (("shop", "flux"), Some(("billing", "flux")), false),
        (("billing", "flux"), None, false),
        (("flux-system", "kustomize-controller"), None, true),
        (
            ("flux-system", "kustomize-controller"),
            Some(("billing", "flux")),
            false,
        ),
        (("flux-system", "helm-controller"), None, false),
        (("billing", "kustomize-controller"), None, false),
    ] {
        assert_eq!(
            owner.is_served_by(account, named),
            serves,
            "{account:?} {named:?}"
        );
    }
}

#[test]
fn the_operator_asks_to_try_again_and_writes_nothing_else() {
    let of = |annotation: &str, more: &str| {
        format!(r#"{{"metadata":{{"name":"x","annotations":{{"{annotation}":"now"}}}}{more}}}"#)
    };
    let bare = r#"{"metadata":{"name":"x"}}"#;
    let failed =
        r#"{"metadata":{"name":"x"},"status":{"operationState":{"operation":{"sync":{"revision":"a"}}}}}"#;
    let state = r#","status":{"operationState":{"operation":{"sync":{"revision":"a"}}}}"#;
    let (asked, forced, refresh) = (
        "reconcile.fluxcd.io/requestedAt",
        "reconcile.fluxcd.io/forceAt",
        "argocd.argoproj.io/refresh",
    );
    let again = format!(r#"{state},"operation":{{"sync":{{"revision":"a"}}}}"#);
    let other = format!(r#"{state},"operation":{{"sync":{{"revision":"b"}}}}"#);
    for (resource, old, new, is) in [
        (
            "kustomizations.kustomize.toolkit.fluxcd.io",
            bare,
            of(asked, ""),
            true,
        ),
        (
            "kustomizations.kustomize.toolkit.fluxcd.io",
            bare,
            of(forced, ""),
            false,
        ),
        (
            "kustomizations.kustomize.toolkit.fluxcd.io",
            bare,
            of(asked, r#","spec":{"suspend":true}"#),
            false,
        ),
        ("helmreleases.helm.toolkit.fluxcd.io", bare, of(forced, ""), true),
        ("applications.argoproj.io", failed, of(refresh, state), true),
        ("applications.argoproj.io", failed, of(refresh, &again), true),
        ("applications.argoproj.io", failed, of(refresh, &other), false),
        ("configmaps", bare, of(asked, ""), false),
    ] {
        let ask = ask("op", Operation::Update, &format!("billing/{resource}/x")).from(old, &new);
        assert_eq!(is_nudge(&ask.request()), is, "{resource}: {new}");
        let status = ask.sub("status");
        assert!(!is_nudge(&status.request()), "{resource}/status");
    }
}

#[test]
fn helms_record_is_known_by_name_type_and_content() {
    let secret = |kind: &str, more: &str| {
        format!(r#"{{"metadata":{{"name":"n","labels":{{"owner":"helm"}}}},"type":"{kind}"{more}}}"#)
    };
    let (helm, data) = ("helm.sh/release.v1", r#","data":{"release":"eA=="}"#);
    let name = "sh.helm.release.v1.web.v12";
    for (name, object, is) in [
        (name, secret(helm, data), true),
        ("sh.helm.release.v1.a.v1.v2", secret(helm, data), true),
        ("sh.helm.release.v1.web", secret(helm, data), false),
        ("sh.helm.release.v1..v1", secret(helm, data), false),
        ("sh.helm.release.v1.web.v", secret(helm, data), false),
        ("web", secret(helm, data), false),
        (name, secret("Opaque", data), false),
        (name, secret(helm, r#","data":{"token":"eA=="}"#), false),
        (name, secret(helm, r#","immutable":true"#), false),
    ] {
        let mut ask = ask("olga", Operation::Create, &format!("billing/secrets/{name}"));
        ask.new = Some(object.clone());
        assert_eq!(is_release_record(&ask.request()), Ok(is), "{name}: {object}");
        ask.operation = Operation::Delete;
        ask.old = Some(object);
        let is_of_type = name.ends_with("12") || name.ends_with("v2");
        let removed = is_release_record(&ask.request()).unwrap();
        assert!(!removed || is_of_type, "{name}");
    }
}
