//! One watch of each kind: it feeds the index, and whoever reconciles the kind.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
};

use countersign_api::index::{Index, Indexed, Key};
use countersign_core::mutator::Mutators;
use futures::{Stream, stream::poll_fn};
use kube::{
    Api, Client, Resource,
    core::DeserializeGuard,
    runtime::{
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};

use crate::{
    state::State,
    watch::{Change, Freshness, follow},
};

/// The one writer of the index: what it takes, it publishes.
#[derive(Debug)]
pub struct Feeds {
    index: Mutex<Index>,
    state: Arc<State>,
    generation: watch::Sender<u64>,
    permissions: watch::Sender<u64>,
}

/// The objects of a kind, for whoever reconciles them.
#[derive(Debug)]
pub struct Feed<K: Resource<DynamicType = ()> + Clone + 'static> {
    /// All of them.
    pub store: Store<K>,
    touched: mpsc::UnboundedReceiver<K>,
}

impl<K: Resource<DynamicType = ()> + Clone + 'static> Feed<K> {
    /// Each object when it is made or changed.
    pub fn touched(mut self) -> impl Stream<Item = Result<K, watcher::Error>> {
        poll_fn(move |context| self.touched.poll_recv(context).map(|object| object.map(Ok)))
    }
}

impl Feeds {
    /// Feeds `index` and publishes what it says in `state`.
    pub fn new(index: Index, state: Arc<State>) -> Arc<Self> {
        Arc::new(Self {
            index: Mutex::new(index),
            state,
            generation: watch::Sender::default(),
            permissions: watch::Sender::default(),
        })
    }

    /// Changes whenever the snapshot does.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Changes whenever what somebody may do does.
    pub fn permission_changes(&self) -> watch::Receiver<u64> {
        self.permissions.subscribe()
    }

    /// Changes the index and publishes what it says then.
    pub fn update(&self, change: impl FnOnce(&mut Index)) {
        // A panic while it was locked left the index whole: changes of its maps are not torn.
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut index);
        self.state.publish(index.snapshot().clone());
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// Says what else can change Countersign's own objects: what people approved may count no more, or again.
    pub fn set_mutators(&self, mutators: Mutators) {
        self.update(|index| index.set_mutators(mutators));
        self.permissions.send_modify(|generation| *generation += 1);
    }

    /// Latches strict mode, or unlatches it, if what is known still allows that.
    pub fn latch(&self, latched: bool) -> bool {
        let mut may = false;
        self.update(|index| {
            may = index.may_latch(latched);
            if may {
                index.set_latched(latched);
            }
        });
        self.permissions.send_modify(|generation| *generation += 1);
        may
    }

    /// How many objects bear no seal.
    pub fn unsealed(&self) -> usize {
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        index.unsealed()
    }

    /// Starts the watch of a kind.
    pub fn watch<K>(self: &Arc<Self>, client: &Client, freshness: Freshness) -> Feed<K>
    where
        K: Resource<DynamicType = ()> + Indexed + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    {
        let (store, mut writer) = reflector::store();
        let (touch, touched) = mpsc::unbounded_channel();
        let feeds = self.clone();
        let api: Api<DeserializeGuard<K>> = Api::all(client.clone());
        tokio::spawn(follow(api, freshness, move |change| {
            feeds.take(change, &mut writer, &touch);
        }));
        Feed { store, touched }
    }

    fn take<K>(
        &self,
        change: Change<DeserializeGuard<K>>,
        writer: &mut reflector::store::Writer<K>,
        touch: &mpsc::UnboundedSender<K>,
    ) where
        K: Resource<DynamicType = ()> + Indexed + Clone + 'static,
    {
        let present = writer.as_reader();
        let permits_as_before = |object: &K| {
            let before = present.get(&ObjectRef::from(object));
            before.is_some_and(|before| object.permits_as(&before))
        };
        let is_noted_only =
            matches!(&change, Change::Applied(DeserializeGuard(Ok(object))) if permits_as_before(object));
        let mut store = |event| writer.apply_watcher_event(&event);
        // Nobody listens to a kind that is only read.
        let touch = |object: &K| drop(touch.send(object.clone()));
        match change {
            Change::Replaced(objects) => {
                self.update(|index| index.replace(objects.iter().map(readable)));
                let objects: Vec<K> = objects.into_iter().filter_map(|object| object.0.ok()).collect();
                store(watcher::Event::Init);
                for object in &objects {
                    store(watcher::Event::InitApply(object.clone()));
                }
                store(watcher::Event::InitDone);
                objects.iter().for_each(touch);
            }
            Change::Applied(DeserializeGuard(Ok(object))) => {
                self.update(|index| index.apply(&object));
                store(watcher::Event::Apply(object.clone()));
                touch(&object);
            }
            Change::Applied(unreadable) => {
                self.update(|index| {
                    if let Err((key, why)) = readable(&unreadable) {
                        index.unreadable::<K>(&key, &why);
                    }
                });
            }
            Change::Deleted(object) => {
                self.update(|index| index.remove::<K>(&Key::of(&object)));
                if let Ok(object) = object.0 {
                    store(watcher::Event::Delete(object));
                }
            }
        }
        if K::PERMITS && !is_noted_only {
            self.permissions.send_modify(|generation| *generation += 1);
        }
    }
}

fn readable<K: Resource<DynamicType = ()>>(object: &DeserializeGuard<K>) -> Result<&K, (Key, String)> {
    object
        .0
        .as_ref()
        .map_err(|invalid| (Key::of(object), invalid.error.clone()))
}
