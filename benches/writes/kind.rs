//! The kinds of writes that are compared.

/// What a write goes through. Each stands where its number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No webhook: what a delegation lets by that the API server checks itself.
    Plain,
    /// Two of these, one after the other.
    TwoPlain,
    /// The same, through a webhook that allows everything.
    Echoed,
    /// The operator's webhook, by the owner of a zone in dev: it is decided, recorded and let by.
    Guarded,
    /// The operator's webhook, by an agent in prod: it spends an approved ticket.
    Gated,
}

impl Kind {
    /// In the order of their turns.
    pub const ALL: [Self; 5] = [Self::Plain, Self::TwoPlain, Self::Echoed, Self::Guarded, Self::Gated];

    /// As its figures are called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain_write",
            Self::TwoPlain => "two_plain_writes",
            Self::Echoed => "echoed_write",
            Self::Guarded => "guarded_write",
            Self::Gated => "gated_write",
        }
    }

    /// How many patches it takes.
    pub const fn patches(self) -> usize {
        if matches!(self, Self::TwoPlain) { 2 } else { 1 }
    }

    /// The namespace in which they are made.
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::Plain | Self::TwoPlain => "plain",
            Self::Echoed => "echoed",
            Self::Guarded => "workshop",
            Self::Gated => "area-1",
        }
    }
}
