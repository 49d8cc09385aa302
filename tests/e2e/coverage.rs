//! Coverage by discovery: every write that the running API server offers reaches the webhook, and is judged for what
//! it is.
//!
//! Mallory, whom Kubernetes lets do anything, tries each of them once: every version, resource, subresource and verb
//! that discovery lists. Each object has a zone of its own, which holds nothing else and which she has no part in: it
//! denies the write, and the audit log says what was seen. Outside of these zones she could write much of it. What is
//! new in a later version of Kubernetes is tried too.

mod call;
mod discovery;
mod exceptions;
mod judged;
mod place;
mod stubs;
mod trail;
mod unlisted;

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
    rc::Rc,
};

use serde_json::{Value, json};

use self::{
    call::{Answer, Caller},
    discovery::{NAMESPACE, Resource, Verb, Write},
    exceptions::Exception,
    place::OWN_GROUP,
    stubs::Stubs,
    trail::Trail,
};
use super::{
    break_glass,
    harness::{Cluster, Ticket, wait::until},
    intents::private_key,
};

const KINDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/coverage/kinds.yaml");

const WALKER: &str = "mallory";

#[test]
fn every_write_that_discovery_lists_is_judged_for_what_it_is() {
    let cluster = Cluster::with_company(0);
    let (mut walk, writes) = Walk::prepare(&cluster);
    let mut excepted = BTreeMap::<_, Vec<_>>::new();
    let mut sent = Vec::new();
    for write in writes {
        match Exception::of(&write) {
            Some(exception) => excepted.entry(exception).or_default().push(write),
            None => sent.push(write),
        }
    }
    let mut all = failures(&sent, |write| walk.prove(write));
    let version = version(&cluster);
    println!("walk_{version}_found {} triples", sent.len());
    println!("walk_{version}_reached {} triples", sent.len() - all.len());
    for (exception, writes) in excepted {
        println!(
            "walk_{version}_excepted {} triples: {}",
            writes.len(),
            exception.why()
        );
        all.extend(failures(&writes, |write| walk.prove_exception(write, exception)));
    }
    assert!(all.is_empty(), "{}:\n{}", all.len(), all.join("\n"));
}

fn failures(writes: &[Write], mut prove: impl FnMut(&Write) -> Result<(), String>) -> Vec<String> {
    let failure = |write| prove(write).err().map(|why| format!("{write} {why}"));
    writes.iter().filter_map(failure).collect()
}

/// A strict cluster with an object of every kind, and who tries.
struct Walk {
    stubs: Stubs,
    walker: Caller,
    trail: Trail,
}

impl Walk {
    /// Makes the objects while nothing is denied, turns strict mode on, and tells all writes there are.
    fn prepare(cluster: &Cluster) -> (Self, Vec<Write>) {
        let mut stubs = Stubs::read();
        let resources = discover(cluster);
        make_objects(cluster, &resources, &stubs);
        make_zones(cluster, &resources, &stubs);
        break_glass::set_passcode(cluster.person("ada"));
        cluster.see_admins();
        cluster.enforce();
        add_ticket(cluster, &mut stubs);
        add_task(cluster, &mut stubs);
        add_intent(cluster, &mut stubs);
        add_window(cluster, &mut stubs);
        let writes = resources.iter().flat_map(Resource::writes).collect();
        let walk = Self {
            stubs,
            walker: Caller::new(cluster.person(WALKER)),
            trail: Trail::of(&cluster.operator().audit_log()),
        };
        (walk, writes)
    }

    /// That the write is denied by the zone that holds its object.
    fn prove(&mut self, write: &Write) -> Result<(), String> {
        let name = self.stubs.name(&write.resource)?;
        let answer = self.attempt(write, &name, "")?;
        judged::check(write, &name, &self.trail.decisions_of(WALKER), &answer)
    }

    /// That nobody was asked, and the write passes or is refused as the exception says. It is a dry run: otherwise
    /// it would be made.
    fn prove_exception(&mut self, write: &Write, exception: Exception) -> Result<(), String> {
        let name = self.stubs.name(&write.resource)?;
        let answer = self.attempt(write, &name, "dryRun=All")?;
        let decisions = self.trail.decisions_of(WALKER);
        let holds = match (exception, &answer) {
            (Exception::Unsent(_), Ok(_)) => true,
            // That a name is taken is found out after admission.
            (Exception::Unsent(_), Err(status)) => status.code == 409 && write.verb == Verb::Create,
            (Exception::Refused(code, _), answer) => matches!(answer, Err(status) if status.code == code),
        };
        let told = exception.why();
        (holds && decisions.is_empty())
            .then_some(())
            .ok_or_else(|| format!("is excepted ({told}), but {decisions:?}: {answer:?}"))
    }

    /// Makes the call, and again when the object was changed meanwhile by somebody else.
    fn attempt(&self, write: &Write, name: &str, options: &str) -> Result<Answer, String> {
        let call = || {
            let body = self.body(write, name)?;
            Ok(self.walker.send(write.request(name, options, body.as_ref())))
        };
        let is_final = |answer: &Result<Answer, String>| {
            write.verb != Verb::Update || !matches!(answer, Ok(Err(status)) if status.code == 409)
        };
        let mut answers = iter::repeat_with(call).take(5).filter(is_final);
        answers
            .next()
            .unwrap_or_else(|| Err("never met the object unchanged".to_owned()))
    }

    fn body(&self, write: &Write, name: &str) -> Result<Option<Value>, String> {
        Ok(match write.verb {
            Verb::Create => Some(self.stubs.body(&write.resource)?),
            Verb::Update => Some(self.changed(write, name)?),
            Verb::Patch(patch) => Some(patch.body(write, name)),
            Verb::Delete | Verb::DeleteCollection | Verb::Connect(_) => None,
        })
    }

    /// What is there now, with a change. What cannot be read is written as the object itself.
    fn changed(&self, write: &Write, name: &str) -> Result<Value, String> {
        let path = if write.resource.can("get") {
            write.path(name)
        } else {
            format!("{}/{name}", write.resource.collection())
        };
        let mut object = self
            .walker
            .get(&path)
            .map_err(|status| format!("has nothing to update: {status:?}"))?;
        object["metadata"]["annotations"]["walk"] = json!("Update");
        Ok(object)
    }
}

/// What the API server serves, the custom kinds of the walk included.
fn discover(cluster: &Cluster) -> Vec<Rc<Resource>> {
    let admin = cluster.admin();
    admin.kubectl(&format!("apply -f {KINDS}")).done();
    admin
        .kubectl(&format!(
            "wait --for=condition=Established --timeout=60s -f {KINDS}"
        ))
        .done();
    let custom = custom_groups(cluster);
    let caller = Caller::new(admin);
    until("the custom kinds to be served", || {
        let resources = caller.run(async |client| discovery::resources(client, &custom).await);
        let of_walk = |one: &&Rc<Resource>| one.group == "coverage.example.com";
        // Machines twice with two subresources, notes, regions with one.
        (resources.iter().filter(of_walk).count() == 9).then_some(resources)
    })
}

/// Puts an object of every kind into the cluster, those outside namespaces first.
fn make_objects(cluster: &Cluster, resources: &[Rc<Resource>], stubs: &Stubs) {
    let admin = Caller::new(cluster.admin());
    let mut storable: Vec<_> = resources
        .iter()
        .filter(|one| one.subresource.is_empty() && one.can("create") && one.can("get"))
        .collect();
    storable.sort_by_key(|one| one.namespaced);
    for resource in storable {
        // What has no stub is found by the walk.
        let Ok(body) = stubs.body(resource) else { continue };
        let create = Write {
            resource: Rc::clone(resource),
            verb: Verb::Create,
        };
        until(&create.to_string(), || {
            match admin.send(create.request("", "", Some(&body))) {
                Err(status) if status.code != 409 => {
                    eprintln!("{create}: {}", status.message);
                    None
                }
                _ => Some(()),
            }
        });
    }
}

/// Gives every object a zone of its own. Countersign's own kinds are judged before their zone.
fn make_zones(cluster: &Cluster, resources: &[Rc<Resource>], stubs: &Stubs) {
    let guarded = resources.iter().filter(|one| one.group != OWN_GROUP);
    let zones: BTreeMap<_, _> = guarded
        .filter_map(|one| {
            let name = stubs.name(one).ok().filter(|name| !name.is_empty())?;
            Some((one.zone_name(), one.zone(&name)))
        })
        .collect();
    let zones: Vec<_> = zones.into_values().collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": zones });
    let admin = cluster.admin();
    admin
        .kubectl_with("apply --server-side -f -", &list.to_string())
        .done();
    let ready = "wait --for=condition=Ready --timeout=60s zones.countersign.dev --all";
    admin.kubectl(ready).done();
}

/// A ticket and a review, which nobody can make otherwise.
fn add_ticket(cluster: &Cluster, stubs: &mut Stubs) {
    let wish = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": "wish", "namespace": NAMESPACE },
        "data": { "a": "1" },
    });
    let denied = cluster.person("deployer").create(&wish);
    let ticket = Ticket::named_in(&denied.denied("ApprovalRequired"), cluster);
    ticket.approve(cluster.person("rita"));
    ticket.becomes("Approved");
    let mut ticket = ticket.object();
    // That is the operator's word on it.
    ticket["spec"].as_object_mut().unwrap().remove("policyDigest");
    stubs.add(&ticket);
    let reviews = cluster.admin().get(&format!("approvalreviews -n {NAMESPACE}"));
    stubs.add(&reviews["items"][0]);
}

/// A task, which nobody makes at all.
fn add_task(cluster: &Cluster, stubs: &mut Stubs) {
    let granted = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": "granted", "namespace": NAMESPACE },
    });
    let create = || cluster.person("deployer").create(&granted);
    let ticket = Ticket::named_in(&create().denied("ApprovalRequired"), cluster);
    ticket.approve(cluster.person("rita"));
    ticket.becomes("Approved");
    create().done();
    ticket.becomes("Consumed");
    let task = format!("task {} -n {NAMESPACE}", ticket.name);
    stubs.add(&cluster.admin().get(&task));
}

/// An intent, which its agent alone makes.
fn add_intent(cluster: &Cluster, stubs: &mut Stubs) {
    let key = private_key(cluster, 7);
    let log = format!(
        "intent log -n {NAMESPACE} --action look --reason unused --key {}",
        key.display()
    );
    cluster.person("scribe").countersign(&log).done();
    let intents = cluster.admin().get(&format!("intents -n {NAMESPACE}"));
    stubs.add(&intents["items"][0]);
}

/// A window of break-glass, which is over when the walk begins.
fn add_window(cluster: &Cluster, stubs: &mut Stubs) {
    let name = break_glass::opened(cluster.person("ben"), "1s");
    stubs.add(&cluster.admin().get(&format!("breakglass {name}")));
}

/// The API server's, such as `v1.36.3`.
fn version(cluster: &Cluster) -> String {
    let found = cluster.admin().kubectl("version -o json").done();
    let found: Value = serde_json::from_str(&found).unwrap();
    found["serverVersion"]["gitVersion"].as_str().unwrap().to_owned()
}

/// The groups of custom kinds.
fn custom_groups(cluster: &Cluster) -> BTreeSet<String> {
    let definitions = cluster.admin().get("customresourcedefinitions");
    let items = definitions["items"].as_array().unwrap().iter();
    items
        .map(|one| one["spec"]["group"].as_str().unwrap().to_owned())
        .collect()
}
