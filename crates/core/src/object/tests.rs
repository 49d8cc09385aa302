use super::*;

fn object(text: &str) -> Object<'_> {
    Object::parse(text).unwrap()
}

const POD: &str = r#"{
    "apiVersion": "v1", "k\u0069nd": "Pod",
    "metadata": {
        "name": "a\u002fb", "namespace": "billing", "uid": "u1", "resourceVersion": "7", "generation": 3,
        "deletionTimestamp": null, "labels": {"app": "x", "a\u0070p/y": "\""}, "annotations": {},
        "finalizers": ["example.com/one"],
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "u0", "controller": true}]
    },
    "spec": {"nodeName": "n1", "deep": {"er": [1, 2]}}, "data": [1], "rules": {"x": {"y": null}}
}"#;

#[test]
fn accessors_read_unescaped_keys_and_values() {
    let pod = object(POD);
    assert_eq!(pod.api_version().unwrap().unwrap(), "v1");
    assert_eq!(pod.kind().unwrap().unwrap(), "Pod");
    assert_eq!(pod.name().unwrap().unwrap(), "a/b");
    assert_eq!(pod.namespace().unwrap().unwrap(), "billing");
    assert_eq!(pod.uid().unwrap().unwrap(), "u1");
    assert_eq!(pod.resource_version().unwrap().unwrap(), "7");
    assert_eq!(pod.generation(), Ok(Some(3)));
    assert_eq!(pod.deletion_timestamp(), Ok(None));
    assert_eq!(pod.label("app/y").unwrap().unwrap(), "\"");
    assert_eq!(pod.labels().unwrap().len(), 2);
    assert_eq!(pod.annotation("app"), Ok(None));
    assert_eq!(pod.finalizers().unwrap(), ["example.com/one"]);
    let owners = pod.owner_references().unwrap();
    assert_eq!(
        (owners[0].kind.as_ref(), owners[0].controller),
        ("ReplicaSet", Some(true))
    );
}

#[test]
fn fields_are_found_at_every_level() {
    let pod = object(POD);
    let field = |path: &[&str]| pod.field(path).unwrap();
    assert_eq!(field(&["spec", "nodeName"]), Some("\"n1\""));
    assert_eq!(field(&["spec", "deep", "er"]), Some("[1, 2]"));
    assert_eq!(field(&["spec", "deep", "er", "0"]), None);
    assert_eq!(field(&["spec", "absent", "er"]), None);
    assert_eq!(field(&["metadata", "labels", "app"]), Some("\"x\""));
    assert_eq!(field(&["data"]), Some("[1]"));
    assert_eq!(field(&["rules", "x", "y"]), Some("null"));
    assert_eq!(field(&[]), Some(POD));
    assert_eq!(pod.text(), POD);
    assert!(field(&["spec"]).unwrap().starts_with('{'));
}

#[test]
fn what_cannot_be_read_says_why() {
    let duplicate = |key: &str| ObjectError::DuplicateKey(key.to_owned());
    let wrong = |pointer: &str, expected| ObjectError::wrong_type(pointer, expected);
    for (text, error) in [
        ("[]", wrong("", "a map")),
        ("null", wrong("", "a map")),
        (r#"{"kind":"A","kind":"B"}"#, duplicate("kind")),
        (r#"{"spec":{},"sp\u0065c":{}}"#, duplicate("spec")),
        (r#"{"metadata":{"name":"a","n\u0061me":"b"}}"#, duplicate("name")),
        (r#"{"metadata":{"labels":{"a":"1","a":"2"}}}"#, duplicate("a")),
        (r#"{"spec":{"a":1,"a":1}}"#, duplicate("a")),
        (r#"{"metadata":[]}"#, wrong("/metadata", "a map")),
        (
            r#"{"metadata":{"labels":"x"}}"#,
            wrong("/metadata/labels", "a map"),
        ),
        (r#"{"metadata":{"name":1}}"#, wrong("/metadata/name", "a string")),
    ] {
        assert_eq!(object(text).name(), Err(error), "{text}");
    }
    let surrogate = object(r#"{"metadata":{"name":"\ud800"}}"#).name().unwrap_err();
    assert!(
        surrogate.to_string().contains("surrogate") || surrogate.to_string().contains("hex escape"),
        "{surrogate}"
    );
    assert!(matches!(
        object(r#"{"\ud800":1}"#).name(),
        Err(ObjectError::Unreadable(_))
    ));
}

#[test]
fn null_metadata_maps_are_empty() {
    let bare = object(r#"{"metadata":{"name":null,"labels":null,"finalizers":null}}"#);
    assert_eq!(bare.name(), Ok(None));
    assert_eq!(bare.labels().unwrap(), BTreeMap::new());
    assert_eq!(bare.finalizers(), Ok(Vec::new()));
    assert_eq!(object(r#"{"metadata":null}"#).name(), Ok(None));
}

#[test]
fn the_same_text_is_told_from_the_same_value() {
    let [one, again, spelled] = [
        r#"{"a":1}"#.to_owned(),
        r#"{"a":1}"#.to_owned(),
        r#"{"a": 1}"#.to_owned(),
    ];
    assert!(object(&one).same_bytes(&object(&one)));
    assert!(object(&one).same_bytes(&object(&again)));
    assert!(!object(&one).same_bytes(&object(&spelled)));
    let update = |old, new| Change::Update {
        old: object(old),
        new: object(new),
    };
    assert!(update(&one, &again).is_same_text());
    assert!(!update(&one, &spelled).is_same_text());
}

#[test]
fn depth_is_bounded_before_anything_recurses() {
    let nested = |lists: usize| format!(r#"{{"x":{}{}}}"#, "[".repeat(lists), "]".repeat(lists));
    assert_eq!(object(&nested(MAX_DEPTH - 1)).name(), Ok(None));
    assert_eq!(object(&nested(MAX_DEPTH)).name(), Err(ObjectError::TooDeep));
    assert_eq!(object(&nested(100_000)).name(), Err(ObjectError::TooDeep));
    let wide = format!(r#"{{"x":[{}{{}}]}}"#, "[],".repeat(MAX_DEPTH));
    assert_eq!(
        object(&wide).name(),
        Ok(None),
        "what lies side by side is not deep"
    );
    let quoted = format!(r#"{{"metadata":{{"name":"\\\"{}"}}}}"#, "[{".repeat(1000));
    assert!(object(&quoted).name().unwrap().is_some());
}

#[test]
fn invalid_utf8_is_no_text() {
    let bytes = b"{\"metadata\":{\"name\":\"\xff\"}}";
    let error = serde_json::from_slice::<&RawValue>(bytes).unwrap_err();
    assert!(
        error.to_string().starts_with("invalid unicode code point"),
        "{error}"
    );
}
