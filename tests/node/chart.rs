//! The charts, by the very lines that the documents tell: installed, in strict mode without their pod and after a loss of
//! power, upgraded, upgraded to what does not start, and removed without a trace.

mod site;

use std::{fs, path::PathBuf, time::Instant};

use serde_json::Value;

use self::site::Site;
use super::{
    harness::wait::{until, within},
    node::{LONG, step},
    power::{self, AWAY},
};

const READY: &str = "kubectl rollout status statefulset/countersign -n countersign-system";
const APPLY: &str = "helm template countersign charts/countersign -n countersign-system -f values.yaml | kubectl apply \
                     --server-side --force-conflicts -f -";
const UPGRADE: &str = "helm upgrade countersign charts/countersign -n countersign-system -f values.yaml";
const READING: &str = "readAccess: true";
const BINDINGS: &str = "kubectl get clusterrolebindings,rolebindings -A -l countersign.dev/read-access";
const DELETE_POD: &str = "kubectl delete pod countersign-0 -n countersign-system";
const DELETE_CONFIGURATIONS: &str =
    "kubectl delete validatingwebhookconfiguration,mutatingwebhookconfiguration countersign";

/// One after the other, since there is one node; at the end all is as it was.
#[test]
fn the_charts_are_installed_upgraded_and_removed_as_the_documents_say() {
    let site = Site::new();
    let before = site.objects();
    step(&site, "install", is_installed);
    step(&site, "observe", observes);
    step(&site, "enforce", enforces);
    step(&site, "without its pod", comes_back);
    step(&site, "power off", outlives_a_loss_of_power);
    step(&site, "upgrade", is_upgraded);
    step(&site, "upgrade to what does not start", is_rescued);
    step(&site, "remove", is_removed);
    assert_eq!(site.objects(), before);
}

/// Both charts; and the operator is as confined as its pod says.
fn is_installed(site: &Site) {
    let here = "-n countersign-system --create-namespace";
    site.types(&format!(
        "helm install countersign-crds charts/countersign-crds {here}"
    ))
    .done();
    site.types("kubectl wait --for=condition=Established -f crds/")
        .done();
    site.types(&format!(
        "helm install countersign charts/countersign {here} -f values.yaml"
    ))
    .done();
    site.types(READY).done();

    let process = process();
    let status = fs::read_to_string(process.join("status")).unwrap();
    for line in [
        "Uid:\t65532\t65532\t65532\t65532\n",
        "CapBnd:\t0000000000000000\n",
        "NoNewPrivs:\t1\n",
        "Seccomp:\t2\n",
    ] {
        assert!(status.contains(line), "no `{line}` in {status}");
    }
    let mounts = fs::read_to_string(process.join("mountinfo")).unwrap();
    assert!(mounts.lines().any(|mount| mount.contains(" / / ro,")), "{mounts}");
}

/// The operator's process, in what the kernel shows of all.
fn process() -> PathBuf {
    let mut all = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let is_operator = |process: &PathBuf| {
        let command = fs::read(process.join("cmdline"));
        command.is_ok_and(|command| command.starts_with(b"/countersign\0run\0"))
    };
    all.find(is_operator).unwrap()
}

/// Nothing is refused yet, and the report in the pod tells what would be. Helm upgrades: people may read.
fn observes(site: &Site) {
    site.types("kubectl apply -f examples/quickstart/").done();
    let kinds = "accesspolicies,zones,rolegrants,teams,agents";
    let ready = format!("wait --for=condition=Ready --timeout=60s --all {kinds}");
    site.admin.kubectl(&ready).done();
    site.mallory.kubectl("create configmap early -n billing").done();
    let report = "kubectl exec -n countersign-system countersign-0 -- countersign report --since 7d";
    let told = site.types(report).stdout;
    assert!(told.contains("user:mallory"), "{told}");

    site.wants("1", READING);
    site.types(UPGRADE).done();
    let bind = r#"kubectl patch accesspolicy default --type=merge -p '{"spec":{"readAccess":"RBAC"}}'"#;
    site.types(bind).done();
    until("a binding", || {
        (!site.types(BINDINGS).done().is_empty()).then_some(())
    });
}

/// Once two admins were seen: a write takes a grant and an approval.
fn enforces(site: &Site) {
    for (admin, name) in [(&site.ada, "ada"), (&site.grace, "grace")] {
        let seen = format!("create configmap seen-{name} -n billing");
        admin.kubectl(&seen).done();
    }
    until("two live admins", || {
        (site.admin.get("accesspolicy default")["status"]["counts"]["liveAdmins"] == 2).then_some(())
    });
    let shown = site.ada.countersign("admin enable-strict").stdout;
    let digest = shown
        .lines()
        .find_map(|line| line.strip_prefix("digest: "))
        .unwrap();
    let enable = format!("admin enable-strict --digest {digest}");
    site.ada.countersign(&enable).done();
    is_strict(site);
    site.approved(|| site.ada.kubectl("create configmap late -n default"));
    site.approved(|| site.ada.kubectl("delete configmap late -n default"));
}

/// The webhook answers by its Service, and denies.
fn is_strict(site: &Site) {
    site.admin
        .kubectl("wait --for=condition=Enforcing accesspolicy/default")
        .done();
    let write = "create configmap late -n billing";
    until("a denial by the webhook", || {
        let tried = site.mallory.kubectl(&format!("{write} --dry-run=server"));
        tried
            .stderr
            .contains("denied the request: ReaderWrites: ")
            .then_some(())
    });
    site.mallory.kubectl(write).denied("ReaderWrites");
}

/// Its Pod is deleted while writes without the webhook fail: another comes by itself, with the same keys, latch and log.
fn comes_back(site: &Site) {
    let (pod, keys) = (site.pod(), keys(site));
    site.approved(|| site.types(DELETE_POD));
    site.types(READY).done();
    goes_on(site, 2);
    assert_ne!(site.pod()["metadata"]["uid"], pod["metadata"]["uid"]);
    assert_eq!(self::keys(site), keys);
}

/// All that is on the node loses power: the same Pod runs again.
fn outlives_a_loss_of_power(site: &Site) {
    let (pod, keys) = (site.pod(), keys(site));
    power::returns(&site.control_plane, &site.admin);
    let begin = Instant::now();
    within(LONG, "the operator to run again", || {
        let now = site.pod();
        let restarts = &now["status"]["containerStatuses"][0]["restartCount"];
        (*restarts == 1 && power::is_ready(&now)).then_some(())
    });
    let took = begin.elapsed().as_secs_f64();
    eprintln!("   ready {took:.0} s after the API server");
    assert_eq!(site.pod()["metadata"]["uid"], pod["metadata"]["uid"]);
    assert_eq!(self::keys(site), keys);
    goes_on(site, 3);
}

/// The keys and the latch, which is set.
fn keys(site: &Site) -> Vec<Value> {
    let data = &site.admin.get("secret countersign-keys -n countersign-system")["data"];
    let fields = ["root-key", "ca.crt", "ca.key", "strict-latch"];
    fields.map(|field| data[field].clone()).to_vec()
}

/// Strict mode goes on, and one audit log tells of everything: each record of it follows the one before.
fn goes_on(site: &Site, starts: u32) {
    is_strict(site);
    assert!(site.disk().join("strict-mode").exists());
    let log = site.disk().join("audit");
    let report = format!("report --since 7d --audit-dir {}", log.display());
    let told = site.ada.countersign(&report).stdout;
    assert!(told.contains("user:mallory"), "{told}");
    assert!(
        told.contains(&format!("the operator started {starts} times")),
        "{told}"
    );
}

/// In strict mode, by Helm, with an approval of what is new.
fn is_upgraded(site: &Site) {
    site.wants("1", &format!("{READING}\nlog: info,countersign=debug"));
    let denial = site.types(UPGRADE).denied("ApprovalRequired");
    // After its own warning, which says the same.
    let (_, error) = denial.split_once("Error: ").unwrap();
    assert_eq!(error.matches("ApprovalRequired").count(), 1, "{denial}");
    site.approved(|| site.types(UPGRADE));
    site.types(READY).done();
    goes_on(site, 4);
    let arguments = site.pod()["spec"]["containers"][0]["args"].to_string();
    assert!(arguments.contains("--log=info,countersign=debug"), "{arguments}");
}

/// There is no such image, and nobody is left to approve the way back.
fn is_rescued(site: &Site) {
    site.wants("none", READING);
    site.approved(|| site.types(APPLY));
    let why = "get pod countersign-0 -n countersign-system --ignore-not-found \
               -o jsonpath={.status.containerStatuses[0].state.waiting.reason}";
    until("the pod that cannot start", || {
        let said = site.admin.kubectl(why).done();
        said.contains("ImagePull").then_some(())
    });
    site.wants("1", READING);
    site.types(APPLY).refused(AWAY);
    site.types(DELETE_CONFIGURATIONS).done();
    site.types(APPLY).done();
    site.types(DELETE_POD).done();
    site.types(READY).done();
    goes_on(site, 5);
}

/// In the order of the document, by which nothing is left.
fn is_removed(site: &Site) {
    let off = r#"kubectl patch accesspolicy default --type=merge -p '{"spec":{"strictMode":false}}'"#;
    site.approved(|| site.types(off));
    site.types("kubectl wait accesspolicy default --for=condition=Enforcing=False")
        .done();
    site.types(&format!("{UPGRADE} --force-conflicts")).done();
    let unbind =
        r#"kubectl patch accesspolicy default --type=merge -p '{"spec":{"readAccess":"Unmanaged"}}'"#;
    site.types(unbind).done();
    until("no binding", || {
        site.types(BINDINGS).done().is_empty().then_some(())
    });
    site.types("helm uninstall countersign -n countersign-system --wait")
        .done();
    site.types(DELETE_CONFIGURATIONS).done();
    // What people made for themselves.
    let quickstart = "delete --ignore-not-found -f examples/quickstart";
    site.admin.kubectl(quickstart).done();
    for line in [
        "helm uninstall countersign-crds -n countersign-system",
        "kubectl delete -f crds/",
        "kubectl delete namespace countersign-system",
    ] {
        site.types(line).done();
    }
}
