//! Helm in strict mode: by hand, and as Flux' helm-controller runs it.

use std::fs;

use super::{
    client::folder,
    flux::{flux, wait_for},
    harness::Outcome,
    place::{chart_maps, condition, config_map},
};

#[test]
fn helm_installs_and_upgrades_with_approvals_and_keeps_its_own_record() {
    let flux = flux();
    let area = flux.cluster.area();
    let namespace = &area.namespace;
    let chart = flux.cluster.control_plane().dir().join("chart");
    fs::create_dir_all(chart.join("templates")).unwrap();
    fs::write(
        chart.join("Chart.yaml"),
        "{apiVersion: v2, name: app, version: 0.1.0}",
    )
    .unwrap();
    let holds = |value: &str| {
        let (file, map) = &chart_maps(value)[0];
        fs::write(chart.join(file), map.to_string()).unwrap();
    };
    let program = folder("helm").join("helm");
    let helm = |words: &str| -> Outcome {
        let words = format!("{words} app {} -n {namespace}", chart.display());
        let words: Vec<_> = words.split_whitespace().collect();
        area.person("olga").call(&program, &words, "")
    };
    holds("first");
    area.approved(|| helm("install"));
    helm("install --replace").done();
    holds("second");
    area.with_approval(|| helm("upgrade"));
    assert_eq!(area.get("configmap one")["data"]["value"], "second");
    // What kubectl asks for, Helm makes: it is the same change.
    holds("third");
    let by_kubectl = |words: &str| {
        let map = config_map("one", namespace, "third").to_string();
        area.person("olga").kubectl_with(&format!("{words} -f -"), &map)
    };
    let shown = by_kubectl("diff --server-side --force-conflicts");
    let ticket = area.approved(|| by_kubectl("apply"));
    let hash = ticket.object()["spec"]["binding"]["resourceHash"].clone();
    let hash = format!("resourceHash={}", hash.as_str().unwrap());
    assert!(shown.stderr.contains(&hash), "{hash}: {}", shown.stderr);
    helm("upgrade").done();
    ticket.becomes("Consumed");
    assert_eq!(area.get("configmap one")["data"]["value"], "third");
    let tickets = area.tickets_of("user:olga");
    assert_eq!(tickets.len(), 3, "none for Helm's records: {tickets:#?}");
}

#[test]
fn a_release_that_gave_up_goes_on_once_it_is_approved() {
    let (flux, place) = (flux(), flux().place("stalled"));
    place.publish(&chart_maps("second"));
    let said = place.says(flux, "denied the request: ");
    assert!(said.contains("kubectl countersign approve"), "{said}");
    wait_for(&flux.cluster, "helmrelease app", "stalled", |release| {
        condition(release, "Stalled")["reason"] == "RetriesExceeded"
    });
    // Helm goes on with the others when one is denied.
    for (ticket, name) in place.open(2, flux).iter().zip(["one", "two"]) {
        let object = ticket.object();
        assert_eq!(object["spec"]["deliveredBy"]["kind"], "HelmRelease");
        assert_eq!(object["spec"]["binding"]["target"]["name"], name);
        place.approve(ticket, flux);
        place.has(name, "second", flux);
        ticket.becomes("Consumed");
    }
    assert_eq!(place.tickets(flux).len(), 2);
}

#[test]
fn a_release_that_tries_again_waits_for_its_tickets() {
    let (flux, place) = (flux(), flux().place("retrying"));
    place.publish(&chart_maps("second"));
    place.says(flux, "denied the request: ");
    for ticket in place.open(2, flux) {
        place.approve(&ticket, flux);
    }
    place.has("one", "second", flux);
    place.has("two", "second", flux);
    place.says(flux, "Helm upgrade succeeded");
    assert_eq!(place.tickets(flux).len(), 2);
}

#[test]
fn nobody_is_asked_to_approve_helms_way_back() {
    let (flux, place) = (flux(), flux().place("back"));
    place.publish(&chart_maps("second"));
    place.says(flux, "denied the request: ");
    let tickets = place.open(2, flux);
    // One of two is applied; the release fails by the other, and Helm takes back what it did.
    place.approve(&tickets[0], flux);
    tickets[0].becomes("Consumed");
    wait_for(&flux.cluster, "helmrelease app", "back", |release| {
        release.to_string().contains("Helm undoes a release that failed")
    });
    let asked = place.tickets(flux);
    assert_eq!(asked.len(), 2, "{asked:#?}");
}
