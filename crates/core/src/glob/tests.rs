//! Globs against tables, and against regular expressions that are written from the same generated pattern.

use std::{
    collections::{HashSet, VecDeque},
    fmt::Write,
};

use proptest::prelude::*;
use regex_automata::{
    Anchored, Input,
    dfa::{Automaton, dense::DFA},
    util::primitives::StateID,
};

use super::*;

/// A generated pattern over `a`, `b` and, through negation, `c`.
#[derive(Clone, Debug)]
enum Piece {
    Char(char),
    Any,
    Star,
    Set(bool, Vec<char>),
    Choice(Vec<Vec<Piece>>),
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let simple = prop_oneof![
        4 => prop_oneof![Just('a'), Just('b')].prop_map(Piece::Char),
        1 => Just(Piece::Any),
        2 => Just(Piece::Star),
        1 => (any::<bool>(), prop::collection::vec(prop_oneof![Just('a'), Just('b')], 1..3))
            .prop_map(|(negated, set)| Piece::Set(negated, set)),
    ];
    let piece = simple.prop_recursive(2, 8, 2, |inner| {
        prop::collection::vec(prop::collection::vec(inner, 1..3), 1..3).prop_map(Piece::Choice)
    });
    prop::collection::vec(piece, 1..4)
}

fn glob_text(pieces: &[Piece]) -> String {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Char(c) => text.push(*c),
            Piece::Any => text.push('?'),
            Piece::Star if text.ends_with('*') => {}
            Piece::Star => text.push('*'),
            Piece::Set(negated, set) => {
                let set: String = set.iter().collect();
                write!(text, "[{}{set}]", if *negated { "!" } else { "" }).unwrap();
            }
            Piece::Choice(choices) => {
                let choices: Vec<String> = choices.iter().map(|choice| glob_text(choice)).collect();
                write!(text, "{{{}}}", choices.join(",")).unwrap();
            }
        }
    }
    text
}

fn regex_text(pieces: &[Piece]) -> String {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Char(c) => text.push(*c),
            Piece::Any => text.push_str("[abc]"),
            Piece::Star => text.push_str("[abc]*"),
            Piece::Set(negated, set) => {
                let set = "abc".chars().filter(|c| set.contains(c) != *negated);
                write!(text, "[{}]", set.collect::<String>()).unwrap();
            }
            Piece::Choice(choices) => {
                let choices: Vec<String> = choices.iter().map(|choice| regex_text(choice)).collect();
                write!(text, "(?:{})", choices.join("|")).unwrap();
            }
        }
    }
    text
}

/// A pattern, and a regular expression for the paths over `a`, `b` and `c` that it names, with a `/` behind each
/// segment.
pub(crate) fn pattern(segments: std::ops::Range<usize>) -> impl Strategy<Value = (String, String)> {
    let segment = prop_oneof![
        4 => pieces().prop_map(|pieces| (glob_text(&pieces), format!("{}/", regex_text(&pieces)))),
        1 => Just(("**".to_owned(), "(?:[abc]+/)*".to_owned())),
        1 => Just(("*".to_owned(), "[abc]*/".to_owned())),
    ];
    let pattern = prop::collection::vec(segment, segments).prop_map(|segments| {
        let (globs, regexes): (Vec<_>, Vec<_>) = segments.into_iter().unzip();
        (globs.join("/"), regexes.concat())
    });
    pattern.prop_filter("not too many alternatives", |(text, _)| Glob::path(text).is_ok())
}

fn any_path(segments: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    let segment = prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4);
    prop::collection::vec(segment.prop_map(|chars| chars.concat()), segments)
        .prop_map(|segments| segments.join("/"))
}

fn automaton(regex: &str) -> DFA<Vec<u32>> {
    DFA::new(&format!("^{regex}$")).unwrap()
}

fn accepts(dfa: &DFA<Vec<u32>>, state: StateID) -> bool {
    dfa.is_match_state(dfa.next_eoi_state(state))
}

fn start(dfa: &DFA<Vec<u32>>) -> StateID {
    dfa.start_state_forward(&Input::new("").anchored(Anchored::Yes))
        .unwrap()
}

fn oracle_matches(regex: &str, path: &str) -> bool {
    let dfa = automaton(regex);
    let read = |state, byte| dfa.next_state(state, byte);
    accepts(&dfa, format!("{path}/").bytes().fold(start(&dfa), read))
}

/// Whether a path of at least one segment (exactly `exactly`, when given) is in both languages.
fn oracle_meets(a: &str, b: &str, exactly: Option<usize>) -> bool {
    let (a, b) = (automaton(a), automaton(b));
    let first = (start(&a), start(&b), true, 0_usize);
    let mut seen = HashSet::from([first]);
    let mut queue = VecDeque::from([first]);
    while let Some((x, y, opens, segments)) = queue.pop_front() {
        let complete = opens && exactly.map_or(segments > 0, |exactly| segments == exactly);
        if complete && accepts(&a, x) && accepts(&b, y) {
            return true;
        }
        for byte in *b"abc/" {
            if opens && (byte == b'/' || exactly == Some(segments)) {
                continue;
            }
            let slash = byte == b'/';
            // Without a fixed number only none and some are told apart.
            let segments = (segments + usize::from(slash)).min(exactly.unwrap_or(1));
            let next = (a.next_state(x, byte), b.next_state(y, byte), slash, segments);
            if seen.insert(next) {
                queue.push_back(next);
            }
        }
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_path_glob_matches_what_its_regular_expression_does((text, regex) in pattern(1..5), path in any_path(1..5)) {
        let glob = Glob::path(&text).unwrap();
        prop_assert_eq!(glob.matches(&path), oracle_matches(&regex, &path), "{} {}", text, path);
    }

    #[test]
    fn an_object_glob_matches_what_its_regular_expression_does((text, regex) in pattern(1..5), path in any_path(3..4)) {
        if let Ok(glob) = Glob::object(&text) {
            prop_assert_eq!(glob.matches(&path), oracle_matches(&regex, &path), "{} {}", text, path);
        }
    }

    #[test]
    fn globset_agrees_but_for_what_is_documented((text, _) in pattern(1..5), path in any_path(1..5)) {
        // There a negated set matches `/`, and a last `**` wants one segment at least.
        let text = text.replace('!', "");
        let text = if text.ends_with("**") { text + "/a" } else { text };
        let other = globset::GlobBuilder::new(&text).literal_separator(true).build().unwrap();
        let glob = Glob::path(&text).unwrap();
        prop_assert_eq!(glob.matches(&path), other.compile_matcher().is_match(&path), "{} {}", text, path);
    }

    #[test]
    fn braces_stand_for_their_parts(
        (head, _) in pattern(1..3), (x, _) in pattern(1..3), (y, _) in pattern(1..3), path in any_path(1..5)
    ) {
        let Ok(both) = Glob::path(&format!("{head}/{{{x},{y}}}")) else { return Ok(()) };
        let apart = [x, y].map(|part| Glob::path(&format!("{head}/{part}")).unwrap().matches(&path));
        prop_assert_eq!(both.matches(&path), apart.contains(&true));
    }

    #[test]
    fn paths_meet_when_their_automata_do((a, regex_a) in pattern(1..5), (b, regex_b) in pattern(1..5)) {
        let globs = (Glob::path(&a).unwrap(), Glob::path(&b).unwrap());
        let witness = intersection(&globs.0, &globs.1);
        prop_assert_eq!(witness.is_some(), oracle_meets(&regex_a, &regex_b, None), "{} {}", a, b);
        if let Some(path) = witness {
            prop_assert!(path.split('/').all(|segment| !segment.is_empty()), "{}", path);
            prop_assert!(globs.0.matches(&path) && globs.1.matches(&path), "{} {} {}", a, b, path);
        }
    }

    #[test]
    fn objects_meet_when_their_automata_do((a, regex_a) in pattern(1..5), (b, regex_b) in pattern(1..5)) {
        let (Ok(x), Ok(y)) = (Glob::object(&a), Glob::object(&b)) else { return Ok(()) };
        let witness = intersection(&x, &y);
        prop_assert_eq!(witness.is_some(), oracle_meets(&regex_a, &regex_b, Some(3)), "{} {}", a, b);
        if let Some(path) = witness {
            prop_assert_eq!(path.split('/').count(), 3, "{}", path);
            prop_assert!(x.matches(&path) && y.matches(&path), "{} {} {}", a, b, path);
        }
    }

    #[test]
    fn no_text_is_too_strange_to_read(text in r"[a*?\[\]{},\\!^/é.-]{0,40}") {
        let _ = (Glob::path(&text), Glob::object(&text));
    }
}

#[test]
fn each_sign_means_what_is_documented() {
    for (pattern, yes, no) in [
        (
            "docs/*.md",
            &["docs/a.md", "docs/.md"][..],
            &["docs/a/b.md", "docs/a.mdx", "Docs/a.md"][..],
        ),
        ("docs/**", &["docs", "docs/a", "docs/a/b"], &["docsy", "a/docs"]),
        ("**/x", &["x", "a/x", "a/b/x"], &["x/a", "ax"]),
        ("a/**/b", &["a/b", "a/c/b", "a/c/d/b"], &["a/bb", "b"]),
        ("a/**/**/b", &["a/b", "a/c/b"], &["a/c"]),
        ("?", &["é", "日"], &["ab", "a/b"]),
        ("[a-cé]x", &["bx", "éx"], &["dx", "x"]),
        ("[!a-c]", &["d", "é", "-"], &["a", "dd"]),
        ("[^a]", &["b"], &["a"]),
        ("[a-]", &["a", "-"], &["b"]),
        ("[-a]", &["a", "-"], &["b"]),
        (r"[\]\-a]", &["]", "-", "a"], &["\\"]),
        (r"pages/\[id\].tsx", &["pages/[id].tsx"], &["pages/i.tsx"]),
        (r"a\*", &["a*"], &["ab"]),
        ("{a,b{c,d}}/x", &["a/x", "bc/x", "bd/x"], &["b/x"]),
        ("{a/b,c}/x", &["a/b/x", "c/x"], &["a/x"]),
        ("{**,a}/x", &["x", "a/x", "q/r/x"], &["x/y"]),
        ("a{*,b}*", &["a", "abc"], &["b"]),
        ("a,b", &["a,b"], &["a"]),
    ] {
        let glob = Glob::path(pattern).unwrap();
        for path in yes {
            assert!(glob.matches(path), "{pattern} {path}");
        }
        for path in no {
            assert!(!glob.matches(path), "{pattern} {path}");
        }
    }
}

#[test]
fn an_object_has_three_segments() {
    for (pattern, yes, no) in [
        ("shop/**", "shop/secrets/a", "shop/secrets"),
        ("**", "@cluster/namespaces/shop", "a/b/c/d"),
        ("**/web", "shop/pods/web", "shop/web"),
        ("shop/pods/web/**", "shop/pods/web", "shop/pods/web/log"),
        (
            "@cluster/clusterroles.*/edit",
            "@cluster/clusterroles.rbac.authorization.k8s.io/edit",
            "a/b/edit",
        ),
        ("**/secrets/**", "shop/secrets/a", "shop/pods/a"),
    ] {
        let glob = Glob::object(pattern).unwrap();
        assert!(glob.matches(yes) && !glob.matches(no), "{pattern}");
        let parts: Vec<&str> = yes.split('/').collect();
        assert!(glob.matches_object(parts[0], parts[1], parts[2]), "{pattern}");
        if let [namespace, resource, name] = no.split('/').collect::<Vec<_>>()[..] {
            assert!(!glob.matches_object(namespace, resource, name), "{pattern}");
        }
    }
}

#[test]
fn what_is_no_pattern_is_refused_with_its_reason() {
    use GlobProblem::*;
    for (text, problem) in [
        ("", EmptySegment),
        ("/a", EmptySegment),
        ("a/", EmptySegment),
        ("a//b", EmptySegment),
        ("a/./b", DotSegment),
        ("../a", DotSegment),
        ("{a,..}/b", DotSegment),
        ("a**", PartialRest),
        ("***", PartialRest),
        ("[a", Unclosed('[')),
        ("{a,b", Unclosed('{')),
        ("a]", Unopened(']')),
        ("a}", Unopened('}')),
        ("{a,}", EmptyAlternative),
        ("{}", EmptyAlternative),
        ("[]", EmptyClass),
        ("[!]", EmptyClass),
        ("[!\0-\u{10ffff}]", Control('\0')),
        ("[ -.!-\u{10ffff}]x[z-a]", BackwardRange('z', 'a')),
        ("[a/b]", NotInClass('/')),
        ("[[:alpha:]]", NotInClass('[')),
        (r"\d", NeedlessEscape('d')),
        ("a\\", LoneEscape),
        ("a\nb", Control('\n')),
        (&"a".repeat(513), TooLong(513)),
        (&"{a,b}".repeat(7), TooManyAlternatives),
        (&format!("{}{}", "{a,b}".repeat(6), "c".repeat(40)), TooWide),
    ] {
        let pattern = text.chars().take(128).flat_map(char::escape_debug).collect();
        assert_eq!(Glob::path(text), Err(GlobError { pattern, problem }), "{text}");
    }
    for text in [
        "shop",
        "shop/pods",
        "a/b/c/d",
        "a/b/c/d/**",
        "{shop/**,shop/pods}",
    ] {
        let pattern = text.to_owned();
        assert_eq!(
            Glob::object(text),
            Err(GlobError {
                pattern,
                problem: NotAnObject
            }),
            "{text}"
        );
    }
    assert_eq!(
        Glob::path("a/**b").unwrap_err().to_string(),
        "pattern `a/**b`: `**` stands alone between two `/`; use `*` within a segment"
    );
}

#[test]
fn a_pattern_is_about_the_namespaces_that_begin_as_it_does() {
    let known = ["lab", "shop", "shop-test"].map(Into::into).into();
    for (pattern, expected) in [
        ("shop/**", vec!["shop"]),
        ("[s]hop/**", vec!["shop"]),
        ("shop*/**", vec!["shop", "shop-test"]),
        ("{lab,shop-?*}/**", vec!["lab", "shop-test"]),
        ("other/**", vec![]),
        ("[ls]*/**", vec![]),
        ("*-test/**", vec![]),
        ("**", vec![]),
    ] {
        let glob = Glob::object(pattern).unwrap();
        let names: Vec<_> = glob.namespaces(&known).into_iter().map(|name| &**name).collect();
        assert_eq!(names, expected, "{pattern}");
        assert_eq!(glob.to_string(), pattern);
    }
}

#[test]
fn a_pattern_of_the_greatest_length_is_read() {
    for text in ["a".repeat(MAX_PATTERN), "\u{e9}".repeat(MAX_PATTERN / 2)] {
        assert!(Glob::path(&text).unwrap().matches(&text));
    }
    let wide = |more: usize| format!("{}{}", "{a,b}".repeat(6), "c".repeat(more));
    let fits = MAX_EXPANDED / MAX_ALTERNATIVES - 6;
    assert!(
        Glob::path(&wide(fits))
            .unwrap()
            .matches(&format!("ababab{}", "c".repeat(fits)))
    );
    assert_eq!(
        Glob::path(&wide(fits + 1)).unwrap_err().problem,
        GlobProblem::TooWide
    );
}

#[test]
fn a_witness_reads_like_a_path() {
    for (a, b, witness) in [
        ("shop/*/*", "*/secrets/*", Some("shop/secrets/a")),
        ("shop/*/team-*", "shop/{pods,secrets}/*", Some("shop/pods/team-a")),
        ("shop/*/team-1-*", "shop/*/team-2-*", None),
        ("shop/*/*-a", "shop/*/b-*", Some("shop/a/b-a")),
        ("**", "@cluster/*/[!a-z]?", Some("@cluster/a/0a")),
        ("**", "shop/pods/[\u{e9}-\u{fc}]", Some("shop/pods/\u{e9}")),
    ] {
        let globs = [a, b].map(|text| Glob::object(text).unwrap());
        assert_eq!(intersection(&globs[0], &globs[1]).as_deref(), witness, "{a} {b}");
    }
    for (a, b, witness) in [
        ("docs/**", "docs", Some("docs")),
        ("docs/**", "**/*.md", Some("docs/a.md")),
        ("**", "**", Some("a")),
        ("a/**/b", "a/*/c", None),
        ("[a-m]*", "[n-z]*", None),
        ("[é-ü]", "[ö-ÿ]", Some("ö")),
        ("*a*b", "b*c*", Some("bacb")),
    ] {
        let globs = [a, b].map(|text| Glob::path(text).unwrap());
        assert_eq!(intersection(&globs[0], &globs[1]).as_deref(), witness, "{a} {b}");
    }
}

#[test]
fn hostile_patterns_stay_cheap() {
    let stars = "*a".repeat(255);
    let globs = [format!("{stars}b"), format!("{stars}c")].map(|text| Glob::path(&text).unwrap());
    assert!(!globs[0].matches(&"a".repeat(4096)));
    assert_eq!(intersection(&globs[0], &globs[1]), None);
    let rests = "**/a/".repeat(100);
    let globs = ["b", "c"].map(|end| Glob::path(&format!("{rests}{end}")).unwrap());
    assert!(!globs[0].matches(&"a/".repeat(500)));
    assert_eq!(intersection(&globs[0], &globs[1]), None);
}
