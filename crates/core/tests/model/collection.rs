//! The one object, the versions of its collection, and what a watch shows of its past.

/// What the object holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    Old,
    New,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    pub uid: u8,
    /// The version that wrote it.
    pub version: u8,
    pub value: Value,
    /// Whether its deletion began.
    pub leaving: bool,
}

/// What a watch shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Event {
    pub object: Object,
    pub deleted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Collection {
    /// The version of its last write.
    pub version: u8,
    pub object: Option<Object>,
    past: Vec<Event>,
    /// Watches from an earlier version are refused (410).
    kept_from: u8,
}

impl Collection {
    /// With this object at first.
    pub const fn of(object: Option<Object>) -> Self {
        Self {
            version: 0,
            object,
            past: Vec::new(),
            kept_from: 0,
        }
    }

    /// Writes the object.
    pub fn store(&mut self, object: Object) {
        self.version += 1;
        let object = Object {
            version: self.version,
            ..object
        };
        self.past.push(Event {
            object,
            deleted: false,
        });
        self.object = Some(object);
    }

    /// Removes the object.
    pub fn remove(&mut self) {
        let Some(object) = self.object.take() else { return };
        self.version += 1;
        self.past.push(Event {
            object: Object {
                version: self.version,
                ..object
            },
            deleted: true,
        });
    }

    /// The events after `version` and up to `until`; `None` when they are lost.
    pub fn since(&self, version: u8, until: u8) -> Option<impl Iterator<Item = &Event>> {
        let within = move |event: &&Event| event.object.version > version && event.object.version <= until;
        (version >= self.kept_from).then(|| self.past.iter().filter(within))
    }

    /// Loses the past.
    pub fn compact(&mut self) {
        self.kept_from = self.version;
    }

    /// Forgets what nobody asks for: nobody knows a version before this one.
    pub fn forget(&mut self, oldest: u8) {
        self.past
            .retain(|event| event.object.version > oldest.max(self.kept_from));
        if oldest >= self.kept_from {
            self.kept_from = 0;
        }
    }

    /// The uids that it knows.
    pub fn uids(&self) -> impl Iterator<Item = u8> {
        let past = self.past.iter().map(|event| event.object.uid);
        past.chain(self.object.as_ref().map(|object| object.uid))
    }
}
