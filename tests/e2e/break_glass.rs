//! Break-glass by a real terminal: the passcode, a window, what it lets pass, its end, and what it never touches.

use std::{
    fs,
    thread::{self, sleep},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    harness::{Area, Cluster, Operator, Outcome, Person, Setup, Wiretap, wait::until},
    seals::is_degraded,
};

const PASSCODE: &str = "gravel otter lantern sixpence";
const WRONG: &str = "gravel otter lantern tuppence";
const OTHER: &str = "marble heron shutter fourpence";

/// The company with a passcode, in strict mode, which is locked; with so many replicas beside the first.
fn company(more_replicas: usize) -> Cluster {
    let setup = Setup {
        more_replicas,
        ..Setup::default()
    };
    let cluster = Cluster::observing_as(&setup).of_company(4);
    let ada = cluster.person("ada");
    name_secret(ada);
    cluster.see_admins();
    waits_for_its_passcode(&cluster);
    patch(ada, "accesspolicy default", &json!({ "strictModeLocked": true })).done();
    sets_the_passcode(ada);
    cluster.enforce();
    cluster
}

/// Strict mode does not begin on the strength of a passcode that nobody set, whoever turns it on, and how.
fn waits_for_its_passcode(cluster: &Cluster) {
    let turns = |who: &str, on: bool| {
        let strict = json!({ "strictMode": on });
        patch(cluster.person(who), "accesspolicy default", &strict)
    };
    for who in ["ada", "admin"] {
        let denial = turns(who, true).denied("StrictMode");
        let why = "there is no Secret `countersign-passcode`";
        assert!(denial.contains(why), "{denial}");
    }
    cluster.operators().iter().for_each(Operator::kill);
    turns("admin", true).done();
    cluster.operators().iter().for_each(Operator::restart);
    is_degraded(cluster, "accesspolicy default", "NoPasscode");
    assert_eq!(cluster.failure_policy(), "Ignore");
    turns("ada", false).done();
}

fn patch(who: &Person, what: &str, spec: &Value) -> Outcome {
    let spec = json!({ "spec": spec }).to_string();
    let (kind, name) = what.split_once(' ').unwrap();
    who.run(&["patch", kind, name, "--type=merge", "-p", &spec], "")
}

fn name_secret(ada: &Person) {
    let named = json!({ "passcodeSecretRef": { "name": "countersign-passcode" } });
    patch(ada, "accesspolicy default", &named).done();
}

/// Sets the passcode while nothing is enforced.
pub fn set_passcode(ada: &Person) {
    name_secret(ada);
    says(
        &sets(ada, PASSCODE, PASSCODE),
        0,
        "holds the passcode's public half",
    );
}

fn sets(ada: &Person, first: &str, second: &str) -> Outcome {
    let (first, second) = (line(first), line(second));
    let answers = [
        ("New passcode: ", first.as_str()),
        ("The same again: ", second.as_str()),
    ];
    typed(ada, &["admin", "passcode", "set"], &answers)
}

/// What a command at the terminal said; it never shows what was typed.
fn typed(who: &Person, arguments: &[&str], answers: &[(&str, &str)]) -> Outcome {
    let outcome = who.at_terminal(arguments, answers);
    for (_, answer) in answers {
        let answer = answer.trim();
        assert!(
            answer.is_empty() || !outcome.stdout.contains(answer),
            "{}",
            outcome.stdout
        );
    }
    outcome
}

#[track_caller]
fn says(outcome: &Outcome, code: i32, said: &str) {
    assert!(outcome.stdout.contains(said), "{said}: {}", outcome.stdout);
    assert_eq!(outcome.code, Some(code), "{}", outcome.stdout);
}

fn line(text: &str) -> String {
    format!("{text}\n")
}

fn sets_the_passcode(ada: &Person) {
    let set = |first, second| sets(ada, first, second);
    says(
        &set("passcodepasscode", ""),
        1,
        "the passcode is too easy to guess",
    );
    says(
        &set(PASSCODE, WRONG),
        1,
        "the two are not the same: nothing was changed",
    );
    says(&set(OTHER, OTHER), 0, "holds the passcode's public half");
    says(&set(OTHER, OTHER), 1, "holds a passcode already");
    says(&rotates(ada, WRONG), 1, "that is not the present passcode");
    says(&rotates(ada, OTHER), 0, "holds the passcode's public half");
    let piped = ada.call(
        std::path::Path::new("setsid"),
        &[
            "-w",
            env!("CARGO_BIN_EXE_countersign"),
            "admin",
            "passcode",
            "rotate",
        ],
        "gravel\n",
    );
    assert!(piped.stderr.contains("there is none"), "{}", piped.stderr);
    assert_eq!(piped.code, Some(2), "{}", piped.stderr);
}

/// Puts [`PASSCODE`] in the place of what is typed as the present one.
fn rotates(ada: &Person, present: &str) -> Outcome {
    let (present, next) = (line(present), line(PASSCODE));
    let answers = [
        ("Present passcode: ", present.as_str()),
        ("New passcode: ", next.as_str()),
        ("The same again: ", next.as_str()),
    ];
    typed(ada, &["admin", "passcode", "rotate"], &answers)
}

/// Tries to open a window by typing exactly this.
fn opens_typing(who: &Person, duration: &str, answer: &str) -> Outcome {
    let arguments = [
        "admin",
        "break-glass",
        "--reason",
        "incident #4218",
        "--duration",
        duration,
    ];
    typed(who, &arguments, &[("Passcode: ", answer)])
}

/// Opens a window; its name.
#[track_caller]
pub fn opened(who: &Person, duration: &str) -> String {
    let outcome = opens_typing(who, duration, &line(PASSCODE));
    says(&outcome, 0, " is open until ");
    let (before, _) = outcome.stdout.split_once(" is open until ").unwrap();
    before.rsplit(['\n', ' ']).next().unwrap().to_owned()
}

/// A write that nobody but the zone's team makes, and they with an approval.
fn writes(area: &Area<'_>, who: &str, name: &str) -> Outcome {
    area.person(who)
        .create(&area.config_map(name, &json!({ "a": "1" })))
}

/// The write, once it passes.
fn passes(area: &Area<'_>, who: &str, name: &str) -> String {
    until("the window to be known", || {
        let written = writes(area, who, name);
        written.succeeded().then_some(written.stderr)
    })
}

fn window(cluster: &Cluster, name: &str) -> Value {
    cluster.admin().get(&format!("breakglass {name}"))
}

fn condition(object: &Value, kind: &str) -> Value {
    let conditions = object["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    conditions
        .into_iter()
        .find(|one| one["type"] == kind)
        .unwrap_or_default()
}

fn audit_log(cluster: &Cluster) -> String {
    let logs = cluster.operators().iter().map(Operator::audit_log);
    let read = |entry: std::io::Result<fs::DirEntry>| fs::read(entry.unwrap().path()).unwrap_or_default();
    logs.flat_map(|log| fs::read_dir(log).unwrap())
        .map(|entry| String::from_utf8_lossy(&read(entry)).into_owned())
        .collect()
}

#[test]
fn a_window_lets_its_opener_pass_on_the_record_until_its_time_is_over() {
    let cluster = company(2);
    let (area, ben) = (cluster.area(), cluster.person("ben"));
    writes(&area, "ben", "before").denied("ApprovalRequired");
    let name = opened_on_a_tapped_line(&cluster);
    let warned = passes(&area, "ben", "during");
    for said in ["ApprovalRequired", "break-glass: on the record", "user:ben until"] {
        assert!(warned.contains(said), "{said}: {warned}");
    }
    nobody_else_passes(&area);
    a_second_window_is_refused(ben);
    it_is_never_removed_or_changed(&cluster, &name);
    what_permits_stays_as_it_is(&cluster);
    is_told(&cluster, &name);

    let ends: Timestamp = window(&cluster, &name)["status"]["expiresAt"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    cluster.operators().iter().for_each(Operator::kill);
    let left = Duration::try_from(ends.duration_since(Timestamp::now())).unwrap_or_default();
    sleep(left + Duration::from_secs(1));
    cluster.operators().iter().for_each(Operator::restart);
    // All at once, since the API server calls another replica on each connection.
    thread::scope(|scope| {
        for number in 0..6 {
            let area = &area;
            scope.spawn(move || writes(area, "ben", &format!("after-{number}")).denied("ApprovalRequired"));
        }
    });
    until("the end to be told", || {
        (window(&cluster, &name)["status"]["state"] == "Ended").then_some(())
    });
    awaits_review(&cluster, &name);
    is_not_replayed(&cluster, &name);
}

/// The passcode never crosses the network.
fn opened_on_a_tapped_line(cluster: &Cluster) -> String {
    let wiretap = Wiretap::of("ben", cluster);
    let name = opened(wiretap.person(), "75s");
    let said = wiretap.said();
    assert!(said.contains(&name) && said.contains("incident #4218"), "{said}");
    for secret in [PASSCODE, "gravel", &STANDARD.encode(PASSCODE)] {
        assert!(!said.contains(secret), "{secret}");
    }
    name
}

fn nobody_else_passes(area: &Area<'_>) {
    writes(area, "ada", "others").denied("ApprovalRequired");
    writes(area, "mallory", "others").denied("NotOfZone");
    writes(area, "deployer", "others").denied("ApprovalRequired");
    writes(area, "ron", "others").denied("ReaderWrites");
}

fn a_second_window_is_refused(ben: &Person) {
    says(
        &opens_typing(ben, "30m", &line(PASSCODE)),
        1,
        "user:ben has an open window already",
    );
}

fn it_is_never_removed_or_changed(cluster: &Cluster, name: &str) {
    for who in ["ben", "ada", "admin"] {
        let delete = format!("delete breakglass {name} --wait=false");
        cluster.person(who).kubectl(&delete).denied("Immutable");
    }
    let longer = patch(
        cluster.person("ben"),
        &format!("breakglass {name}"),
        &json!({ "duration": "2h" }),
    );
    longer.refused("it can only be ended, and reviewed");
    let note = format!("annotate breakglass {name} a=b");
    cluster.person("ben").kubectl(&note).denied("Immutable");
    let delete = "delete crd breakglasses.countersign.dev --wait=false";
    cluster.person("ben").kubectl(delete).denied("ApprovalRequired");
}

fn what_permits_stays_as_it_is(cluster: &Cluster) {
    let admin = json!({ "role": "admin" });
    patch(cluster.person("ben"), "rolegrant mallory", &admin).denied("ApprovalRequired");
    patch(cluster.person("ron"), "rolegrant ron", &admin).denied("ReaderWrites");
    let delete = "delete secret countersign-passcode -n countersign-system";
    cluster.person("ben").kubectl(delete).denied("ApprovalRequired");
    cluster
        .person("deployer")
        .kubectl(delete)
        .denied("StolenIdentity");
}

fn is_told(cluster: &Cluster, name: &str) {
    let told = until("the write to be told", || {
        let window = window(cluster, name);
        (window["status"]["relaxedWrites"] == 1).then_some(window)
    });
    let write = &told["status"]["writes"][0];
    assert_eq!(write["by"], "ben");
    assert_eq!(write["operation"], "Create");
    assert_eq!(write["reason"], "ApprovalRequired");
    assert!(
        write["object"].as_str().unwrap().ends_with("/configmaps/during"),
        "{write}"
    );
    assert_eq!(told["status"]["state"], "Open");
    let table = cluster.person("ron").kubectl("get csbg").done();
    for said in [
        "PERSON", "STATE", "EXPIRES", "WRITES", "REVIEWED", "user:ben", "Open",
    ] {
        assert!(table.contains(said), "{said}: {table}");
    }
    assert!(!table.contains("<invalid>"), "{table}");
    let log = audit_log(cluster);
    for said in [
        "\"relaxation\":\"BreakGlass\"".to_owned(),
        format!("\"window\":\"{name}\""),
        "user:ben until".to_owned(),
        "incident #4218".to_owned(),
        "\"what\":\"Opened\"".to_owned(),
    ] {
        assert!(log.contains(&said), "{said}");
    }
    assert!(!log.contains(PASSCODE));
    until("the window to be counted", || {
        (cluster.operator().counted("countersign_break_glass_open") == Some(1)).then_some(())
    });
    until("the Event", || {
        let events = cluster
            .admin()
            .get("events -n default --field-selector=reason=BreakGlassOpened");
        (!events["items"].as_array().unwrap().is_empty()).then_some(())
    });
}

fn awaits_review(cluster: &Cluster, name: &str) {
    assert_eq!(
        condition(&window(cluster, name), "Reviewed")["reason"],
        "AwaitsReview"
    );
    let review = |who: &str| {
        cluster
            .person(who)
            .countersign(&format!("admin break-glass review {name} --yes --reason read"))
    };
    for (who, why) in [("ben", "IneligibleReviewer"), ("olga", "IneligibleReviewer")] {
        let refused = review(who);
        assert!(refused.stderr.contains(why), "{who}: {}", refused.stderr);
    }
    let shown = review("ada").done();
    assert!(shown.contains("/configmaps/during"), "{shown}");
    until("the review to be told", || {
        (condition(&window(cluster, name), "Reviewed")["status"] == "True").then_some(())
    });
    let listed = cluster.person("ada").countersign("admin break-glass list").done();
    assert!(
        listed.contains("Ended") && listed.contains("user:ada"),
        "{listed}"
    );
}

/// The same object again, and what somebody makes of it.
fn is_not_replayed(cluster: &Cluster, name: &str) {
    let mut object = window(cluster, name);
    object["metadata"] = json!({ "name": name });
    object.as_object_mut().unwrap().remove("status");
    let spec = object["spec"].as_object_mut().unwrap();
    spec.retain(|field, _| !matches!(field.as_str(), "stamp" | "review" | "ended"));
    let ben = cluster.person("ben");
    let again = ben.create(&object);
    assert!(!again.succeeded(), "{}", again.stdout);
    let nonce = "0123456789abcdef0123456789abcdef";
    let renamed = |time: Timestamp, change: &dyn Fn(&mut Value)| {
        let mut object = object.clone();
        object["metadata"]["name"] = format!("break-glass-{nonce}").into();
        object["spec"]["nonce"] = nonce.into();
        object["spec"]["time"] = time.to_string().into();
        change(&mut object["spec"]);
        object
    };
    let (now, hour) = (Timestamp::now(), jiff::SignedDuration::from_hours(1));
    for time in [now - hour, now + hour] {
        let denial = ben.create(&renamed(time, &|_| ())).denied("BindingMismatch");
        assert!(denial.contains("the operator's clock"), "{denial}");
    }
    ben.create(&renamed(now, &|_| ())).denied("BadPasscode");
    ben.create(&renamed(now, &|spec| spec["duration"] = "3h".into()))
        .denied("BreakGlassRefused");
    cluster
        .person("ada")
        .create(&renamed(now, &|_| ()))
        .denied("ForeignSubject");
    cluster
        .person("deployer")
        .create(&renamed(now, &|_| ()))
        .denied("BreakGlassRefused");
    let dry = ben.kubectl_with("create --dry-run=server -f -", &renamed(now, &|_| ()).to_string());
    dry.denied("BreakGlassRefused");
    for duration in ["0s", "-5m", "8760h"] {
        let refused = ben.create(&renamed(now, &|spec| spec["duration"] = duration.into()));
        refused.refused("spec.duration");
    }
}

#[test]
fn a_window_ends_early_and_turns_strict_mode_off_and_guesses_are_counted() {
    let cluster = company(0);
    passcodes_that_are_none(cluster.person("rita"));
    guesses_are_counted(cluster.person("olga"));
    a_new_passcode_waits_for_its_approval(&cluster);
    ends_early(&cluster);
    opens_for_everybody(&cluster);
    turns_strict_mode_off(&cluster);
}

fn passcodes_that_are_none(rita: &Person) {
    for (answer, why) in [
        ("\n".to_owned(), "the passcode is empty"),
        (format!("{PASSCODE}\nkubectl\n"), "more than one line was pasted"),
        (format!("{PASSCODE}\t\n"), "the passcode has a control character"),
        (
            "a".repeat(1 << 20) + "\n",
            "the passcode has more than 1024 bytes",
        ),
    ] {
        says(&opens_typing(rita, "30m", &answer), 1, why);
    }
    for duration in ["0s", "-5m", "8760h"] {
        let outcome = opens_typing(rita, duration, &line(PASSCODE));
        assert!(outcome.stdout.contains("duration"), "{}", outcome.stdout);
        assert!(matches!(outcome.code, Some(1 | 2)), "{}", outcome.stdout);
    }
}

fn guesses_are_counted(olga: &Person) {
    for _ in 0..5 {
        says(
            &opens_typing(olga, "30m", &line(WRONG)),
            1,
            "BadPasscode: spec.signature: ",
        );
    }
    says(
        &opens_typing(olga, "30m", &line(PASSCODE)),
        1,
        "TooManyAttempts: user:olga tried",
    );
}

fn a_new_passcode_waits_for_its_approval(cluster: &Cluster) {
    let ticket = || {
        let tickets = cluster.admin().get("approvaltickets -n countersign-system");
        let items = tickets["items"].as_array().unwrap().clone();
        let of_secret = |ticket: &Value| {
            let name = ticket["metadata"]["name"].as_str().unwrap();
            name.starts_with("secret-countersign-passcode")
                .then(|| name.to_owned())
        };
        assert!(!tickets.to_string().contains("argon2id"), "{tickets}");
        items.iter().find_map(of_secret)
    };
    thread::scope(|scope| {
        let rotating = scope.spawn(|| rotates(cluster.person("ada"), PASSCODE));
        let ticket = until("the ticket", ticket);
        let approve = format!("approve {ticket} -n countersign-system --yes");
        cluster.person("ben").countersign(&approve).done();
        says(&rotating.join().unwrap(), 0, "holds the passcode's public half");
    });
}

fn ends_early(cluster: &Cluster) {
    let area = cluster.area();
    writes(&area, "mallory", "before").denied("NotOfZone");
    let name = opened(cluster.person("mallory"), "30m");
    passes(&area, "mallory", "during");
    let end = |who: &str| ends(cluster.person(who), &name);
    let refused = end("otto");
    assert!(refused.stderr.contains("BreakGlassRefused"), "{}", refused.stderr);
    end("mallory").done();
    until("the window to be over", || {
        let denied = writes(
            &area,
            "mallory",
            &format!("after-{}", Timestamp::now().as_millisecond()),
        );
        (!denied.succeeded()).then(|| denied.denied("NotOfZone"))
    });
    let opens_again = patch(
        cluster.person("ada"),
        &format!("breakglass {name}"),
        &json!({ "ended": false }),
    );
    opens_again.refused("stays ended");
}

fn ends(who: &Person, name: &str) -> Outcome {
    who.countersign(&format!("admin break-glass end {name}"))
}

/// Where the policy says so, one window lets all people pass, and still no agent and no reader.
fn opens_for_everybody(cluster: &Cluster) {
    let (area, ada) = (cluster.area(), cluster.person("ada"));
    let everybody = || {
        let scope = json!({ "breakGlass": { "scope": "Everyone" } });
        patch(ada, "accesspolicy default", &scope)
    };
    let ticket = area.ticket(everybody());
    ticket.approve(cluster.person("ben"));
    ticket.becomes("Approved");
    everybody().done();
    let name = opened(cluster.person("otto"), "30m");
    passes(&area, "mallory", "of-everybody");
    writes(&area, "deployer", "of-an-agent").denied("ApprovalRequired");
    writes(&area, "ron", "of-a-reader").denied("ReaderWrites");
    ends(cluster.person("otto"), &name).done();
    until("nobody to pass", || {
        let after = format!("after-{}", Timestamp::now().as_millisecond());
        let denied = writes(&area, "mallory", &after);
        (!denied.succeeded()).then(|| denied.denied("NotOfZone"))
    });
}

fn turns_strict_mode_off(cluster: &Cluster) {
    let ada = cluster.person("ada");
    let off = || patch(ada, "accesspolicy default", &json!({ "strictMode": false }));
    let denial = off().denied("StrictMode");
    assert!(denial.contains("admin break-glass"), "{denial}");
    opened(ada, "30m");
    let both = json!({ "strictMode": false, "strictModeLocked": false });
    patch(ada, "accesspolicy default", &both).denied("StrictMode");
    until("strict mode to be off", || off().succeeded().then_some(()));
    until("the failure policy to be Ignore", || {
        (cluster.failure_policy() == "Ignore").then_some(())
    });
    let turned = |on: bool| audit_log(cluster).contains(&format!("\"strictMode\":{on}"));
    assert!(turned(true) && turned(false), "both turns are on record");
}
