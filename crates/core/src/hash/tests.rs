mod oracle;
mod vectors;

use super::*;

pub(super) fn object(text: &str) -> Object<'_> {
    Object::parse(text).unwrap()
}

pub(super) fn update<'a>(old: &'a str, new: &'a str) -> Change<'a> {
    Change::Update {
        old: object(old),
        new: object(new),
    }
}

pub(super) fn key() -> MacKey {
    MacKey::new([7; 32])
}

fn of<'a>(kind: (&'a str, &'a str), redaction: &'a MacKey) -> HashContext<'a> {
    HashContext {
        api_version: kind.0,
        kind: kind.1,
        subresource: "",
        writer: None,
        ignore: &[],
        redaction,
    }
}

fn changed(change: &Change<'_>, context: &HashContext<'_>) -> Vec<String> {
    let pointers = effective_change(change, context).unwrap().granules.into_iter();
    pointers.map(|granule| granule.pointer).collect()
}

const WIDGET: (&str, &str) = ("example.com/v1", "Widget");

#[test]
fn another_attempt_of_one_write_has_no_other_hash() {
    let redaction = key();
    let hash = |change: &Change<'_>, kind| {
        effective_change(change, &of(kind, &redaction))
            .unwrap()
            .resource_hash
    };
    let volume =
        |second: &str| format!(r#"{{"status":{{"lastPhaseTransitionTime":"{second}","phase":"Pending"}}}}"#);
    let approval = |second: &str| {
        let times = format!(r#""lastTransitionTime":"{second}","lastUpdateTime":"{second}""#);
        format!(r#"{{"status":{{"conditions":[{{{times},"status":"True","type":"Approved"}}]}}}}"#)
    };
    let (first, second) = (volume("1"), volume("2"));
    let kind = ("v1", "PersistentVolume");
    assert_eq!(
        hash(&Change::Create(object(&first)), kind),
        hash(&Change::Create(object(&second)), kind)
    );
    let (first, second) = (approval("1"), approval("2"));
    let kind = ("certificates.k8s.io/v1", "CertificateSigningRequest");
    assert_eq!(
        hash(&update(r#"{"status":{}}"#, &first), kind),
        hash(&update(r#"{"status":{}}"#, &second), kind)
    );
    let denial = first.replace("Approved", "Denied");
    assert_ne!(
        hash(&update(r#"{"status":{}}"#, &first), kind),
        hash(&update(r#"{"status":{}}"#, &denial), kind)
    );
}

#[test]
fn every_omission_is_on_the_specification_page() {
    let page = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/spec/resource-hash.md"
    ))
    .unwrap();
    let mut rows: Vec<String> = OMISSIONS.iter().map(page_row).collect();
    rows.extend(
        OPTION_OMISSIONS
            .iter()
            .map(|option| format!("| `/{option}` | options |")),
    );
    let missing: Vec<_> = rows
        .iter()
        .filter(|row| !page.lines().any(|line| line.starts_with(*row)))
        .collect();
    assert!(
        missing.is_empty(),
        "add to docs/spec/resource-hash.md: {missing:#?}"
    );
    let shown = page.lines().filter(|line| line.starts_with("| `/")).count();
    assert_eq!(
        shown,
        rows.len(),
        "the page lists an omission that the table lacks"
    );
}

fn page_row(row: &Omission) -> String {
    let of = row.of.map_or("all".to_owned(), |(api_version, kind)| {
        format!("{api_version} {kind}")
    });
    let when = match row.when {
        When::ServerOwned => "server-owned".to_owned(),
        When::Identity => "identity".to_owned(),
        When::Counter => "counter".to_owned(),
        When::OwnerMark(client) => format!("owner mark of {client:?}"),
        When::ServerChosen(Proof::Unowned(_)) => "unowned".to_owned(),
        When::ServerChosen(Proof::OwnUid) => "own uid".to_owned(),
        When::ServerChosen(Proof::AccessVolume) => "access volume".to_owned(),
        When::ServerChosen(Proof::Overwritten) => "overwritten".to_owned(),
        When::ServerChosen(Proof::Moment) => "moment".to_owned(),
    };
    format!("| `{}` | {of} | {when} |", row.pointer)
}

#[test]
fn only_what_the_server_owns_is_a_noop() {
    let base = r#"{"metadata":{"name":"a"},"spec":{"x":1}}"#;
    for (new, noop) in [
        (r#"{"metadata":{"name":"a"},"spec":{"x":1}}"#, true),
        (r#"{ "spec": {"x":1.0}, "metadata": {"n\u0061me":"a"}}"#, true),
        (
            r#"{"metadata":{"name":"a","labels":{},"annotations":null},"spec":{"x":1}}"#,
            true,
        ),
        (
            r#"{"metadata":{"name":"a","resourceVersion":"2","managedFields":[{}],"generation":2,"uid":"u","selfLink":"s","creationTimestamp":null,"deletionTimestamp":"t","deletionGracePeriodSeconds":0,"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"x"}},"spec":{"x":1}}"#,
            true,
        ),
        (
            r#"{"metadata":{"name":"a","generateName":"a"},"spec":{"x":1}}"#,
            false,
        ),
        (r#"{"metadata":{"name":"b"},"spec":{"x":1}}"#, false),
        (
            r#"{"metadata":{"name":"a","labels":{"argocd.argoproj.io/instance":"x"}},"spec":{"x":1}}"#,
            false,
        ),
        (
            r#"{"metadata":{"name":"a","annotations":{"argocd.argoproj.io/tracking-id":"x"}},"spec":{"x":1}}"#,
            false,
        ),
        (r#"{"kind":"W","metadata":{"name":"a"},"spec":{"x":1}}"#, false),
        (r#"{"metadata":{"name":"a"},"spec":{"x":2}}"#, false),
        (r#"{"metadata":{"name":"a"},"spec":{"x":null}}"#, false),
        (r#"{"metadata":{"name":"a"},"spec":{}}"#, false),
        (r#"{"metadata":{"name":"a"}}"#, false),
        (
            r#"{"metadata":{"name":"a"},"spec":{"x":1},"status":{"y":1}}"#,
            false,
        ),
        (r#"{"metadata":{"name":"a"},"spec":{"x":1},"extra":null}"#, false),
    ] {
        let change = update(base, new);
        assert_eq!(is_noop(&change), Ok(noop), "{new}");
        assert_eq!(changed_pointers(&change).unwrap().is_empty(), noop, "{new}");
    }
    for change in [
        Change::Create(object(base)),
        Change::Delete(Some(object(base))),
        Change::Connect(None),
    ] {
        assert_eq!(is_noop(&change), Ok(false), "only an update can be a no-op");
    }
}

#[test]
fn owner_marks_leave_the_hash_of_their_writer_alone() {
    let key = key();
    let plain = of(WIDGET, &key);
    let argo = HashContext {
        writer: Some(GitOpsClient::ArgoCd),
        ..plain
    };
    let flux = HashContext {
        writer: Some(GitOpsClient::FluxKustomize),
        ..plain
    };
    let marked = r#"{"metadata":{"name":"a","annotations":{"argocd.argoproj.io/tracking-id":"x"}}}"#;
    let change = update(r#"{"metadata":{"name":"a"}}"#, marked);
    let pointer = "/metadata/annotations/argocd.argoproj.io~1tracking-id";
    assert_eq!(changed(&change, &plain), [pointer]);
    assert_eq!(changed(&change, &flux), [pointer]);
    assert_eq!(changed(&change, &argo), [""; 0]);
    assert_eq!(is_noop(&change), Ok(false));
    let empty = resource_hash(WIDGET.0, WIDGET.1, "", &BTreeMap::new());
    assert_eq!(effective_change(&change, &argo).unwrap().resource_hash, empty);
}

#[test]
fn a_secret_is_never_shown_and_still_verifies() {
    let key = key();
    let context = of(("v1", "Secret"), &key);
    let secret = |namespace: &str, value: &str| {
        format!(
            r#"{{"metadata":{{"name":"s","namespace":"{namespace}","labels":{{"l":"v"}}}},"data":{{"p":"{value}"}},"type":"Opaque"}}"#
        )
    };
    let (old, new, elsewhere) = (
        secret("a", "aHVudGVyMQ=="),
        secret("a", "aHVudGVyMg=="),
        secret("b", "aHVudGVyMg=="),
    );
    let change = effective_change(&update(&old, &new), &context).unwrap();
    assert!(!format!("{change:?}").contains("aHVudGVy"));
    let [granule] = change.granules.as_slice() else {
        panic!("{change:?}")
    };
    let shown: Value = granule.new.as_ref().unwrap().as_str().parse().unwrap();
    assert!(matches!(shown, Value::Redacted(_)));
    let digests = BTreeMap::from([("/data/p", Some(shown.digest()))]);
    assert_eq!(resource_hash("v1", "Secret", "", &digests), change.resource_hash);

    let other_key = MacKey::new([8; 32]);
    let other = effective_change(&update(&old, &new), &of(("v1", "Secret"), &other_key)).unwrap();
    assert_ne!(other.resource_hash, change.resource_hash);
    let created = |text| effective_change(&Change::Create(object(text)), &context).unwrap();
    assert_ne!(
        created(&new).granules[0].new,
        created(&elsewhere).granules[0].new,
        "one Secret tells nothing of another"
    );
    let sent = Change::Create(object(r#"{"stringData":{"p":"hunter2"}}"#));
    assert!(!format!("{:?}", effective_change(&sent, &context)).contains("hunter2"));
    let looks_redacted = Value::Json(serde_json::to_string(shown.as_str()).unwrap().into());
    assert_ne!(
        looks_redacted.digest(),
        shown.digest(),
        "a string that spells a MAC is another value"
    );
}

#[test]
fn ignored_values_leave_the_hash_and_are_named() {
    let key = key();
    let ignore = [
        "/spec/list/*/id",
        "/metadata/annotations/injected",
        "/spec/list/0/none",
        "/spec/none",
    ]
    .map(|p| p.parse().unwrap());
    let context = HashContext {
        ignore: &ignore,
        ..of(WIDGET, &key)
    };
    let old = r#"{"metadata":{"annotations":{"injected":"1"}},"spec":{"list":[{"id":1,"v":1},{"id":2}]}}"#;
    let new = r#"{"metadata":{"annotations":{"injected":"2"}},"spec":{"list":[{"id":3,"v":1},{"id":4}]}}"#;
    let change = effective_change(&update(old, new), &context).unwrap();
    assert_eq!(change.granules, []);
    assert_eq!(
        change.ignored,
        [
            "/metadata/annotations/injected",
            "/spec/list/0/id",
            "/spec/list/1/id"
        ]
    );
    assert_eq!(is_noop(&update(old, new)), Ok(false));
    let chosen = HashContext {
        ignore: &ignore,
        ..of(("v1", "PersistentVolume"), &key)
    };
    let volume = r#"{"spec":{"list":[{"id":1}]},"status":{"lastPhaseTransitionTime":"1"}}"#;
    let change = effective_change(&Change::Create(object(volume)), &chosen).unwrap();
    assert_eq!(
        change.ignored,
        ["/spec/list/0/id"],
        "what the server chose is no exception of the policy's"
    );
    let changed = r#"{"spec":{"list":[{"id":3,"v":2},{"id":4}]}}"#;
    let change = effective_change(&update(old, changed), &context).unwrap();
    assert_eq!(change.granules[0].new, Some(r#"[{"v":2},{}]"#.parse().unwrap()));
}

#[test]
fn patterns_have_one_grammar() {
    for bad in ["", "spec", "/", "/spec/", "//x", "/a~", "/a~2b"] {
        assert_eq!(bad.parse::<Pattern>(), Err(InvalidPattern(bad.to_owned())));
    }
    assert!("/metadata/annotations/a~1b~0c".parse::<Pattern>().is_ok());
}

#[test]
fn values_read_back_only_in_canonical_form() {
    for good in [
        "null",
        "1",
        "\"x\"",
        r#"{"a":[1,2.5]}"#,
        &format!("hmac-sha256:{}", "0a".repeat(32)),
    ] {
        assert_eq!(good.parse::<Value>().unwrap().as_str(), good);
    }
    for bad in [
        "",
        "1.0",
        "[1, 2]",
        "{\"b\":1,\"a\":1}",
        "hmac-sha256:00",
        "hmac-sha256:",
    ] {
        assert_eq!(bad.parse::<Value>(), Err(InvalidValue(bad.to_owned())));
    }
}

#[test]
fn command_hash_knows_the_policy_but_not_the_preconditions() {
    let hash = |text: &str| command_hash(Some(&object(text))).unwrap();
    let delete = hash(r#"{"propagationPolicy":"Background"}"#);
    let spelled = r#"{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"u"},"dryRun":["All"],"propagationPolicy":"Background"}"#;
    assert_eq!(delete, hash(spelled));
    assert_ne!(delete, hash(r#"{"propagationPolicy":"Orphan"}"#));
    assert_ne!(
        delete,
        hash(r#"{"gracePeriodSeconds":0,"propagationPolicy":"Background"}"#)
    );
    assert_eq!(command_hash(None).unwrap(), hash("{}"));
    assert_ne!(hash(r#"{"command":["a","b"]}"#), hash(r#"{"command":["b","a"]}"#));
    assert_eq!(
        command_hash(Some(&object("[]"))),
        Err(ObjectError::wrong_type("", "a map"))
    );
    let twice = object(r#"{"command":["a"],"command":["b"]}"#);
    assert_eq!(
        command_hash(Some(&twice)),
        Err(ObjectError::DuplicateKey("command".to_owned()))
    );
}

#[test]
fn string_maps_are_jcs() {
    let map = BTreeMap::from([
        ("b", "\u{1}\n\"\\"),
        ("a", "ü"),
        ("\u{1F600}", ""),
        ("\u{FB33}", ""),
    ]);
    let text = canonical_strings(&map);
    assert_eq!(
        text,
        "{\"a\":\"ü\",\"b\":\"\\u0001\\n\\\"\\\\\",\"\u{1F600}\":\"\",\"\u{FB33}\":\"\"}"
    );
    assert_eq!(canonical(&text), Ok(text));
}

#[test]
fn errors_inside_a_granule_keep_their_reason() {
    let key = key();
    let context = of(WIDGET, &key);
    let create = |text: &str| effective_change(&Change::Create(object(text)), &context).unwrap_err();
    let deep = format!(
        r#"{{"spec":{{"x":{}{}}}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_eq!(create(&deep), ObjectError::TooDeep);
    assert_eq!(
        create(r#"{"spec":{"x":{"y":[{"a":1,"a":2}]}}}"#),
        ObjectError::DuplicateKey("a".to_owned())
    );
    assert_eq!(
        create(r#"{"spec":{"x":1e999}}"#),
        ObjectError::NumberOutOfRange("1e999".to_owned())
    );
    assert!(matches!(
        create(r#"{"spec":{"x":["\udc00"]}}"#),
        ObjectError::Unreadable(_)
    ));
}

/// What the API server puts into a new object: once it is there, who changes it has chosen it.
#[test]
fn what_the_server_chooses_at_creation_counts_in_an_update() {
    let key = key();
    for (kind, new, pointer) in [
        (
            ("batch/v1", "Job"),
            r#"{"metadata":{"uid":"4c0e"},"spec":{"selector":{"matchLabels":{"controller-uid":"4c0e"}}}}"#,
            "/spec/selector",
        ),
        (
            ("certificates.k8s.io/v1", "CertificateSigningRequest"),
            r#"{"spec":{"extra":{"authentication.kubernetes.io/credential-id":["X509SHA256=aa"]}}}"#,
            "/spec/extra",
        ),
        (
            ("v1", "Pod"),
            r#"{"metadata":{"managedFields":[{"fieldsV1":{"f:spec":{"f:containers":{}}}}]},
                "spec":{"volumes":[{"name":"kube-api-access-x7k2p"}]}}"#,
            "/spec/volumes",
        ),
    ] {
        let context = of(kind, &key);
        let value = |change: &Change<'_>| {
            let granules = effective_change(change, &context).unwrap().granules;
            let granule = granules.into_iter().find(|granule| granule.pointer == pointer);
            granule.and_then(|granule| granule.new).unwrap().to_string()
        };
        let created = value(&Change::Create(object(new)));
        let updated = value(&update("{}", new));
        assert!(
            !created.contains("4c0e") && !created.contains("X509") && !created.contains("x7k2p"),
            "{created}"
        );
        let sent = Object::parse(new).unwrap();
        let path: Vec<&str> = pointer.split('/').skip(1).collect();
        assert_eq!(updated, sent.field(&path).unwrap().unwrap(), "{pointer}");
    }
}

/// The one subresource that says more than its object: what is evicted is deleted.
#[test]
fn an_eviction_removes_and_nothing_else_does() {
    let key = key();
    let granules = |subresource, kind| {
        let context = HashContext {
            subresource,
            ..of(kind, &key)
        };
        changed(&Change::Create(object(r#"{"metadata":{"name":"p"}}"#)), &context)
    };
    let eviction = ("policy/v1", "Eviction");
    let removal = granules("eviction", eviction);
    assert_ne!(removal, granules("", eviction));
    assert_ne!(removal, granules("eviction", WIDGET));
    assert_eq!(
        removal,
        changed(&Change::Delete(Some(object("{}"))), &of(("v1", "Pod"), &key))
    );
}

#[test]
fn only_a_name_of_the_generated_shape_is_the_servers_choice() {
    let key = key();
    for (name, chosen) in [
        ("kube-api-access-x7k2p", true),
        ("kube-api-access-x7k2", false),
        ("kube-api-access-x7k2pq", false),
        ("kube-api-access-X7k2p", false),
        ("x7k2p", false),
    ] {
        let pod = format!(
            r#"{{"metadata":{{"managedFields":[{{"fieldsV1":{{"f:spec":{{"f:containers":{{}}}}}}}}]}},"spec":{{"volumes":[{{"name":"{name}"}}]}}}}"#
        );
        let change = effective_change(&Change::Create(object(&pod)), &of(("v1", "Pod"), &key)).unwrap();
        assert_eq!(!format!("{change:?}").contains(name), chosen, "{name}");
    }
}
