//! Whatever issuers and usernames there are: one person, one spelling.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*, sample::select};
use regex_automata::meta::Regex;

use super::*;
use crate::identity::IDENTITY_PATTERN;

/// What people see of a name is not what it is: controls, direction marks, no width, and letters of other scripts.
const DECEPTIVE: [char; 10] = [
    '\0',
    '\u{1b}',
    '\n',
    '\u{85}',
    '\u{200b}',
    '\u{202e}',
    '\u{2066}',
    '\u{feff}',
    '\u{e0041}',
    '\u{435}',
];

/// Issuers with a prefix and a realm of their own each, as a policy has them.
fn some_issuers() -> impl Strategy<Value = Vec<(String, String)>> {
    let prefix = select(vec![
        "", "a", "ab", "oidc:", "oidc:b:", "ldap/", "o", "system", "user:",
    ]);
    let realm = select(vec!["", "a", "b", "corp", "x.y"]);
    vec((prefix, realm), 1..5).prop_map(|issuers| {
        let by_prefix: BTreeMap<_, _> = issuers.into_iter().collect();
        let by_realm: BTreeMap<_, _> = by_prefix
            .into_iter()
            .map(|(prefix, realm)| (realm, prefix))
            .collect();
        let mut issuers: Vec<_> = by_realm
            .into_iter()
            .map(|(realm, prefix)| (prefix.to_owned(), realm.to_owned()))
            .collect();
        issuers.reverse();
        issuers
    })
}

/// Usernames close to each other and to every prefix, some of them of this kind of names and some of any.
fn username() -> impl Strategy<Value = String> {
    let start = select(vec![
        "",
        "oidc:",
        "oidc:b:",
        "ldap/",
        "user:",
        "system:",
        "system:node:",
    ]);
    prop_oneof![
        4 => (start, "[abAB.:-]{0,4}").prop_map(|(start, rest)| format!("{start}{rest}")),
        1 => any::<String>(),
    ]
}

fn who(username: &str, issuers: &[(String, String)]) -> Option<String> {
    let issuers: Vec<_> = issuers
        .iter()
        .map(|(prefix, realm)| (prefix.as_str(), realm.as_str()))
        .collect();
    identified(&super::issuers(world(), &issuers), username, "").ok()
}

/// The rule, naively: the issuer of the longest prefix, and a name of plain characters.
fn naive(username: &str, issuers: &[(String, String)]) -> Option<String> {
    if username.starts_with("system:") {
        return None;
    }
    let mut best: Option<(&str, &str)> = None;
    for (prefix, realm) in issuers {
        let longer = best.is_none_or(|(other, _)| prefix.len() > other.len());
        if username.starts_with(prefix.as_str()) && longer {
            best = Some((prefix, realm));
        }
    }
    let (prefix, realm) = best?;
    let (_, name) = username.split_at(prefix.len());
    let plain = "abcdefghijklmnopqrstuvwxyz0123456789";
    let is_plain = name.chars().all(|c| plain.contains(c) || "._@+-".contains(c));
    let ends = [name.chars().next()?, name.chars().last()?];
    if !is_plain || !ends.iter().all(|c| plain.contains(*c)) || name.len() > 253 {
        return None;
    }
    Some(match realm {
        "" => format!("user:{name}"),
        realm => format!("user:{realm}:{name}"),
    })
}

proptest! {
    #[test]
    fn a_username_is_whom_the_rule_says(issuers in some_issuers(), username in username()) {
        prop_assert_eq!(who(&username, &issuers), naive(&username, &issuers));
    }

    #[test]
    fn two_spellings_are_never_one_person(issuers in some_issuers(), a in username(), b in username()) {
        if let (Some(of_a), Some(of_b)) = (who(&a, &issuers), who(&b, &issuers)) {
            prop_assert_eq!(of_a == of_b, a == b);
        }
    }

    #[test]
    fn one_spelling_is_never_two(issuers in some_issuers(), username in username()) {
        let mut turned = issuers.clone();
        turned.reverse();
        prop_assert_eq!(who(&username, &issuers), who(&username, &turned));
    }

    #[test]
    fn nobody_is_of_a_realm_but_by_its_issuer(issuers in some_issuers(), username in username()) {
        if let Some(who) = who(&username, &issuers) {
            let local = who.strip_prefix("user:").unwrap();
            let (realm, name) = local.split_once(':').unwrap_or(("", local));
            let (prefix, _) = issuers.iter().find(|(_, of)| of == realm).unwrap();
            prop_assert_eq!(format!("{prefix}{name}"), username);
        }
    }

    #[test]
    fn who_somebody_is_tells_the_username_and_no_other(issuers in some_issuers(), username in username()) {
        let pairs: Vec<_> = issuers.iter().map(|(prefix, realm)| (prefix.as_str(), realm.as_str())).collect();
        let world = super::issuers(world(), &pairs);
        if let Some(who) = who(&username, &issuers) {
            let told = super::super::username(&id(&who), world.snapshot.policy.get().unwrap());
            prop_assert_eq!(told, Some(username));
        }
    }

    #[test]
    fn whoever_is_somebody_is_spelled_as_the_schemas_say(issuers in some_issuers(), username in username()) {
        let pattern = Regex::new(IDENTITY_PATTERN).unwrap();
        if let Some(who) = who(&username, &issuers) {
            prop_assert!(pattern.is_match(&who), "{who}");
            prop_assert_eq!(id(&who).to_string(), who);
        }
    }

    #[test]
    fn a_system_user_is_never_an_identity(issuers in some_issuers(), rest in any::<String>()) {
        prop_assert_eq!(who(&format!("system:{rest}"), &issuers), None);
    }

    #[test]
    fn deceptive_names_are_nobody_and_are_shown_as_they_are(
        before in "[a-z]{0,3}",
        deceptive in select(DECEPTIVE.to_vec()),
        after in "[a-z]{0,300}",
        start in select(vec!["", "system:serviceaccount:ci:", "system:"]),
    ) {
        let username = format!("{start}{before}{deceptive}{after}");
        let caller = Caller { username: &username, uid: "", groups: &[] };
        let world = world();
        let refused = identify(&caller, &world.snapshot, world.snapshot.policy.get().unwrap()).unwrap_err();
        let told = refused.to_string();
        let is_letter = deceptive.is_alphabetic();
        prop_assert!(is_letter || !told.contains(deceptive), "{:?}", told);
        prop_assert!(told.chars().count() < 400, "{}", told);
        let spelled = format!("user:{before}{deceptive}{after}");
        let told = spelled.parse::<Identity>().unwrap_err().to_string();
        prop_assert!(is_letter || !told.contains(deceptive), "{:?}", told);
        prop_assert!(told.chars().count() < 400, "{}", told);
    }
}

#[test]
fn names_and_realms_are_of_253_characters_at_most() {
    let longest = "a".repeat(253);
    for (realm, name, is_somebody) in [
        ("", longest.clone(), true),
        ("", format!("{longest}a"), false),
        ("corp", longest.clone(), true),
        (&longest, longest.clone(), true),
        (&format!("{longest}a"), "a".to_owned(), false),
        ("corp", String::new(), false),
    ] {
        let issuers = [("oidc:".to_owned(), realm.to_owned())];
        let who = who(&format!("oidc:{name}"), &issuers);
        assert_eq!(who.is_some(), is_somebody, "{realm} {name}");
    }
}
