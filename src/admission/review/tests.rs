use super::*;

fn review(request: &str) -> String {
    format!(r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{{request}}}}}"#)
}

/// The members that every request has, and these.
fn request(more: &str) -> String {
    review(&format!(
        r#""uid":"u1","kind":{{"group":"","version":"v1","kind":"ConfigMap"}},"resource":{{"group":"","version":"v1","resource":"configmaps"}},"userInfo":{{"username":"ada","groups":["a","b"]}}{more}"#
    ))
}

fn refused(body: &str) -> String {
    parse(body.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_review_is_read_with_and_without_what_may_be_missing() {
    let object = r#"{"metadata":{"name":"app"},"data":{"a":"}\""}}"#;
    let body = request(&format!(
        r#","operation":"UPDATE","namespace":"shop","name":"\u0061pp","object":{object},"oldObject":{object},"dryRun":true,"options":null"#
    ));
    let read = parse(body.as_bytes()).unwrap();
    assert_eq!(read.target().place(), "shop/configmaps/app");
    assert_eq!((read.object(), read.old_object()), (Some(object), Some(object)));
    assert!(read.is_dry_run() && read.options.is_none());
    assert_eq!(read.user_info.groups, ["a", "b"]);

    let body = request(r#","operation":"DELETE","name":"app","object":null,"subResource":null"#);
    let read = parse(body.as_bytes()).unwrap();
    assert_eq!((read.object(), read.old_object()), (None, None));
    assert!(!read.is_dry_run());
}

#[test]
fn what_is_no_review_is_refused_with_what_is_wrong() {
    for (body, why) in [
        (request(""), "operation is missing"),
        (
            request(r#","operation":"PATCH""#),
            "request.operation: `PATCH` is none that is known",
        ),
        (request(r#","operation":"CREATE","name":"app""#), ""),
        (request(r#","uid":"u2""#), "`uid` is there twice"),
        (request(r#","operation":"CREATE","name":1"#), "name: invalid type"),
        (
            request(r#","operation":"CREATE","dryRun":"yes""#),
            "dryRun: invalid type",
        ),
        (
            request(r#","operation":"CREATE","resource":{"group":"apps","group":""}"#),
            "`group` is there twice",
        ),
        (request(r#","operation":null"#), "operation: invalid type: null"),
        (review(""), "uid is missing"),
        ("{".to_owned(), "ends within a value"),
        (
            r#"{"kind":"Pod","apiVersion":"v1"}"#.to_owned(),
            "`v1` `Pod` is not AdmissionReview",
        ),
    ] {
        if why.is_empty() {
            let read = parse(body.as_bytes()).unwrap();
            let why = read.judged(None, None).unwrap_err().to_string();
            assert_eq!(why, "object is missing");
            continue;
        }
        let said = refused(&body);
        assert!(said.contains(why), "{body}: {said}");
    }
    let told = parse(b"\xff").unwrap_err();
    assert!(matches!(told, ReviewError::NotUnicode(_)));
}
