//! `simulate` over files: what it says of each object and why, its exit codes, and what it says of bad input.

#![expect(clippy::unwrap_used, reason = "a test ends at what cannot be")]

mod support;

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use support::run;

const CONFIG: &str = "tests/simulate/config";

/// Exit code, standard output, standard error.
fn simulate(config: &str, arguments: &[&str]) -> (i32, String, String) {
    let output = run(&[&["simulate", "--config", config], arguments].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Exit code and report.
fn report(arguments: &[&str]) -> (i32, Value) {
    let (code, said, error) = simulate(CONFIG, &[arguments, &["-o", "json"]].concat());
    assert_eq!(error, "", "{arguments:?}");
    (code, serde_json::from_str(&said).unwrap())
}

/// The object, what would be done to it, verdict, reason, and what decided, of each.
fn answers(report: &Value) -> Vec<[String; 5]> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let answer = |object: &Value| {
        let cause = &object["cause"];
        let cause = match cause {
            Value::Null => "-".to_owned(),
            _ => format!(
                "{}/{} {}",
                text(&cause["kind"]),
                text(&cause["name"]),
                text(&cause["field"])
            ),
        };
        let enforced = if object["enforced"] == true {
            ""
        } else {
            ", not enforced"
        };
        [
            text(&object["object"]),
            text(&object["operation"]),
            text(&object["verdict"]) + enforced,
            text(&object["reason"]),
            cause,
        ]
    };
    report["objects"].as_array().unwrap().iter().map(answer).collect()
}

fn assumptions(report: &Value) -> Vec<&str> {
    report["assumptions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect()
}

const WEB: &str = "tests/simulate/manifests/web.yaml";
const DEV: &str = "tests/simulate/manifests/dev.yaml";
const BEFORE: &str = "tests/simulate/before";

#[test]
fn each_subject_is_told_the_verdict_and_the_line_that_decides() {
    let policy = "AccessPolicy/default spec.environments";
    for (subject, manifest, code, [verdict, reason, cause]) in [
        (
            "user:bob",
            WEB,
            3,
            ["require_approval", "ApprovalRequired", policy],
        ),
        (
            "user:ada",
            WEB,
            3,
            ["require_approval", "ApprovalRequired", policy],
        ),
        (
            "agent:deployer",
            WEB,
            3,
            ["require_approval", "ApprovalRequired", policy],
        ),
        (
            "agent:unpinned",
            WEB,
            1,
            ["deny", "ForeignAccount", "Agent/unpinned status.serviceAccounts"],
        ),
        (
            "agent:from-git",
            WEB,
            1,
            ["deny", "NotOfZone", "Zone/shop spec.owner"],
        ),
        ("user:eve", WEB, 1, ["deny", "NotOfZone", "Zone/shop spec.owner"]),
        (
            "user:dan",
            WEB,
            1,
            ["deny", "ReaderWrites", "AccessPolicy/default spec.defaults.role"],
        ),
        ("user:bob", DEV, 0, ["allow", "Permitted", "Zone/shop spec.owner"]),
        (
            "user:eve",
            DEV,
            0,
            ["deny, not enforced", "NotOfZone", "Zone/shop spec.owner"],
        ),
        (
            "agent:deployer",
            DEV,
            0,
            [
                "require_approval, not enforced",
                "ApprovalRequired",
                "Zone/shop spec.requireReview",
            ],
        ),
    ] {
        let (ended, report) = report(&["-f", manifest, "--as", subject]);
        assert_eq!(ended, code, "{subject}: {report:#}");
        let [[_, operation, found @ ..]] = &answers(&report)[..] else {
            panic!("{report:#}")
        };
        assert_eq!(operation, "Create");
        assert_eq!(found, &[verdict, reason, cause].map(str::to_owned), "{subject}");
    }
}

#[test]
fn strict_judges_what_is_not_enforced_yet() {
    let eve = ["-f", DEV, "--as", "user:eve", "--strict"];
    assert_eq!(report(&eve).0, 1);
    let deployer = ["-f", DEV, "--as", "agent:deployer", "--strict"];
    assert_eq!(report(&deployer).0, 3);
    assert_eq!(report(&[&deployer[..], &["--accept-approval"]].concat()).0, 0);
}

#[test]
fn directory_groups_count() {
    let (code, report) = report(&["-f", DEV, "--as", "user:eve", "--group", "shop-devs"]);
    assert_eq!(code, 0);
    assert_eq!(answers(&report)[0][2..4], ["allow", "Permitted"]);
}

#[test]
fn folders_are_read_by_name_and_below_only_when_asked() {
    let manifests = ["-f", "tests/simulate/manifests", "--as", "user:bob"];
    let places = |arguments: &[&str]| {
        let (_, report) = report(arguments);
        let first = answers(&report).into_iter().map(|[object, ..]| object);
        first.collect::<Vec<_>>()
    };
    assert_eq!(
        places(&manifests),
        ["shop-dev/configmaps/web", "shop/deployments.apps/web"]
    );
    let below = [&manifests[..], &["-R"]].concat();
    assert_eq!(
        places(&below),
        [
            "shop-dev/configmaps/web",
            "shop-dev/secrets/extra",
            "shop/deployments.apps/web"
        ]
    );
}

#[test]
fn denied_comes_before_needing_approval() {
    let (code, report) = report(&[
        "-f",
        "tests/simulate/manifests",
        "-f",
        "tests/simulate/admins.yaml",
        "--as",
        "user:ada",
    ]);
    assert_eq!(code, 1);
    let summary = json!({ "allowed": 1, "needsApproval": 4, "denied": 2, "notEnforced": 0 });
    assert_eq!(report["summary"], summary, "{report:#}");
}

#[test]
fn what_permits_is_judged_as_the_webhook_judges_it() {
    let (_, report) = report(&["-f", "tests/simulate/admins.yaml", "--as", "user:ada"]);
    let found = answers(&report);
    let found: Vec<_> = found
        .iter()
        .map(|answer| answer.each_ref().map(String::as_str))
        .collect();
    let prod = "AccessPolicy/default spec.environments";
    let expected = [
        [
            "@cluster/namespaces/shop",
            "Update",
            "require_approval",
            "ApprovalRequired",
            prod,
        ],
        [
            "shop/configmaps/new",
            "Create",
            "require_approval",
            "ApprovalRequired",
            prod,
        ],
        [
            "@cluster/zones.countersign.dev/greedy",
            "Create",
            "deny",
            "ZoneOverlap",
            "Zone/shop spec.objects",
        ],
        [
            "@cluster/zones.countersign.dev/wrong",
            "Create",
            "deny",
            "Invalid",
            "-",
        ],
        [
            "@cluster/zones.countersign.dev/ada",
            "Create",
            "require_approval",
            "ApprovalRequired",
            prod,
        ],
    ];
    assert_eq!(found, expected);
    let why = report["objects"][3]["message"].as_str().unwrap();
    assert!(why.starts_with("spec.owner: `user:Ada` "), "{why}");
    assert_eq!(report["objects"][1]["environment"], "prod");
}

#[test]
fn with_the_manifests_of_before_only_what_changed_needs_approval() {
    let owner = "Zone/shop spec.owner";
    let manifests = [
        "-f",
        "tests/simulate/manifests",
        "--as",
        "user:bob",
        "--old",
        BEFORE,
    ];
    let (code, kept) = report(&manifests);
    assert_eq!(code, 0);
    let changed = [
        ["shop-dev/configmaps/web", "Update", "allow", "Permitted", owner],
        ["shop/deployments.apps/web", "Update", "allow", "NoOp", owner],
    ];
    assert_eq!(answers(&kept), changed.map(|answer| answer.map(str::to_owned)));
    let kept = assumptions(&kept);
    assert!(
        kept.contains(&"what --old holds and -f does not (1) stays: judge its deletion with --prune"),
        "{kept:?}"
    );

    let (code, pruned) = report(&[&manifests[..], &["--prune"]].concat());
    assert_eq!(code, 3);
    let deleted = [
        "shop/services/web",
        "Delete",
        "require_approval",
        "ApprovalRequired",
        "AccessPolicy/default spec.environments",
    ];
    assert_eq!(answers(&pruned)[2], deleted.map(str::to_owned));
    assert_eq!(pruned["objects"][2]["source"]["document"], 3);
}

#[test]
fn what_the_cluster_stores_is_compared_by_what_was_applied() {
    let stored = ["--as", "user:bob", "--old", "tests/simulate/stored.json"];
    let (code, report) = report(&[&["-f", WEB][..], &stored].concat());
    assert_eq!((code, answers(&report)[0][3].as_str()), (0, "NoOp"), "{report:#}");
}

#[test]
fn kinds_namespaces_and_the_standard_input_come_from_where_they_are() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kubectl-countersign"))
        .args([
            "simulate", "-f", "-", "--config", CONFIG, "--as", "user:eve", "-n", "nowhere", "-o", "json",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let widgets = fs::read("tests/simulate/widgets.yaml").unwrap();
    child.stdin.take().unwrap().write_all(&widgets).unwrap();
    let output = child.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{report:#}");
    let found = answers(&report);
    let found: Vec<_> = found
        .iter()
        .map(|answer| [&answer[0], &answer[3]].map(String::as_str))
        .collect();
    let expected = [
        ["@cluster/namespaces/workshop", "Permitted"],
        ["workshop/widgets.example.com/a", "Permitted"],
        ["nowhere/configmaps/a", "Unzoned"],
        [
            "@cluster/customresourcedefinitions.apiextensions.k8s.io/widgets.example.com",
            "Unzoned",
        ],
    ];
    assert_eq!(found, expected);
    for assumption in [
        "namespace `workshop` is as in `standard input` document 1: --config does not hold it",
        "namespace `nowhere` has no labels and is prod: no file holds it",
    ] {
        assert!(assumptions(&report).contains(&assumption), "{report:#}");
    }
}

#[test]
fn who_stops_reading_does_not_change_the_exit_code() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kubectl-countersign"))
        .args(["simulate", "-f", "-", "--config", CONFIG, "--as", "user:eve"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let manifest = fs::read(WEB).unwrap();
    child.stdin.take().unwrap().write_all(&manifest).unwrap();
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), error.as_str()), (Some(1), ""));
}

#[test]
fn what_is_supposed_is_said() {
    let (_, of_agent) = report(&["-f", WEB, "--as", "agent:from-git"]);
    let said = assumptions(&of_agent);
    let starts = [
        "every object that the configuration does not hold is new: name those that exist with --old",
        "nothing of the cluster is known but the files: no ticket (what is approved already ",
        "Zone `smuggled` is in force: --config calls it Degraded (Unsealed), and a cluster may ignore it",
        "the service account of agent:from-git is the registered one: its Agent in --config has no status",
    ];
    assert_eq!(said.len(), starts.len(), "{said:?}");
    for (said, start) in said.iter().zip(starts) {
        assert!(said.starts_with(start), "{said}");
    }
    let (_, of_user) = report(&["-f", WEB, "--as", "user:bob"]);
    assert_eq!(assumptions(&of_user).len(), 3);
}

#[test]
fn the_quickstart_can_be_simulated_and_its_policy_does_not_enforce_yet() {
    let quickstart = "../../examples/quickstart";
    let api = "../../examples/quickstart/60-my-api.yaml";
    let deployer = ["-f", api, "--as", "agent:deploy-bot"];
    let (code, said, _) = simulate(quickstart, &deployer);
    assert_eq!(code, 0);
    assert!(said.contains("needs approval, not enforced"), "{said}");
    let (code, said, _) = simulate(quickstart, &[&deployer[..], &["--strict"]].concat());
    assert_eq!(code, 3);
    let row = "billing/deployments.apps/my-api   Create      prod          needs approval   ApprovalRequired   \
               AccessPolicy/default spec.environments\n";
    assert!(said.contains(row), "{said}");
    let why =
        ": billing/deployments.apps/my-api: needs approval: ask team:payments (owner of zone `billing`)\n";
    assert!(said.contains(why), "{said}");
    let last = "agent:deploy-bot: allowed: 0, needs approval: 1, denied: 0, not enforced: 0\n";
    assert!(said.ends_with(last), "{said}");
}

#[test]
fn a_policy_that_asks_for_strict_mode_is_judged_so_whoever_was_seen() {
    let folder = std::env::temp_dir().join(format!("countersign-simulate-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let export = fs::read_to_string("tests/simulate/config/export.yaml").unwrap();
    fs::write(folder.join("export.yaml"), export.replace("lastSeen", "unknown")).unwrap();
    let output = simulate(folder.to_str().unwrap(), &["-f", WEB, "--as", "user:eve"]);
    fs::remove_dir_all(&folder).unwrap();
    let (code, said, error) = output;
    assert_eq!((code, error.as_str()), (1, ""));
    let supposed = "assumed: strict mode is in force, as the AccessPolicy asks: of 2 live admins that it needs, \
                    --config shows 0\n";
    assert!(said.contains(supposed), "{said}");
}

/// The files of a folder with the error that their first line announces.
fn bad(folder: &str) -> Vec<(String, String)> {
    let files = fs::read_dir(Path::new("tests/simulate").join(folder)).unwrap();
    let announced = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        text.lines()
            .next()
            .unwrap()
            .strip_prefix("# ")
            .unwrap()
            .to_owned()
    };
    let files: Vec<_> = files
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), announced(&path)))
        .collect();
    assert!(files.len() > 4, "{folder}");
    files
}

#[test]
fn bad_manifests_end_with_2_and_name_file_document_and_field() {
    for (file, announced) in bad("bad") {
        let (code, said, error) = simulate(CONFIG, &["-f", &file, "--as", "user:ada"]);
        assert_eq!((code, said.as_str()), (2, ""), "{file}: {error}");
        assert!(
            error.starts_with(&format!("error: `{file}` {announced}")),
            "{error}"
        );
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn bad_configuration_ends_with_2_and_names_file_document_and_field() {
    for (file, announced) in bad("bad-config") {
        let (code, _, error) = simulate(CONFIG, &["--config", &file, "-f", WEB, "--as", "user:ada"]);
        assert_eq!(code, 2, "{file}: {error}");
        assert!(
            error.starts_with(&format!("error: `{file}` {announced}")),
            "{error}"
        );
    }
}

#[test]
fn what_is_not_there_ends_with_2() {
    for (config, arguments, why) in [
        (
            WEB,
            &["-f", WEB, "--as", "user:ada"][..],
            "error: --config holds no AccessPolicy: add what ",
        ),
        (
            CONFIG,
            &["-f", "tests/none", "--as", "user:ada"],
            "error: cannot read `tests/none`: No such file",
        ),
        (
            CONFIG,
            &["-f", "tests/simulate/bad/../../support", "--as", "user:ada"],
            "error: there is nothing to judge: ",
        ),
        (
            CONFIG,
            &["-f", WEB, "--as", "team:shop"],
            "error: a team does nothing by itself: ",
        ),
        (
            CONFIG,
            &["-f", WEB, "--as", "agent:ghost"],
            "error: there is no Agent for agent:ghost\n",
        ),
        (
            CONFIG,
            &["-f", WEB, "--as", "user:ada", "--prune"],
            "error: the following required arguments",
        ),
    ] {
        let (code, said, error) = simulate(config, arguments);
        assert_eq!((code, said.as_str()), (2, ""), "{arguments:?}: {error}");
        assert!(error.starts_with(why), "{error}");
    }
}

#[test]
fn the_exit_codes_are_in_the_help() {
    let output = run(&["simulate", "--help"]);
    let help = String::from_utf8(output.stdout).unwrap();
    for line in [
        "  1  something would be denied\n",
        "  2  it cannot be told: ",
        "  3  nothing would be denied, ",
    ] {
        assert!(help.contains(line), "{help}");
    }
}
