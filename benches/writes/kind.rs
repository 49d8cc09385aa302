//! The kinds of writes that are compared.

/// What a write goes through. Each stands where its number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No webhook: what a delegation lets by that the API server checks itself.
    Plain,
    /// Two of these, one after the other.
    TwoPlain,
    /// One of these, and before it one of the status of a custom resource that is as large as a ticket: the two writes
    /// that a gated one consists of. As of any object, the API server keeps account of who manages the fields of that
    /// resource, and answers with all of it; a ticket of the operator's spares it both.
    PlainAndStatus,
    /// The same, through a webhook that allows everything.
    Echoed,
    /// The same, through a webhook that allows everything once a record of it is on the disk: no webhook that keeps a log
    /// can do less.
    Recorded,
    /// The same, through a webhook that writes the status of a custom resource as large as a ticket, of a kind that it
    /// watches, keeps a record, and allows: what any webhook does that spends a ticket.
    Claimed,
    /// The operator's webhook, by a controller that a delegation lets by: it is decided and counted, and no record is
    /// kept, as of most writes in a cluster.
    Delegated,
    /// The operator's webhook, in dev, where the agent needs nobody: it is decided, recorded and let by.
    Guarded,
    /// The operator's webhook, by an agent in prod: it spends an approved ticket.
    Gated,
}

impl Kind {
    /// Those through a webhook that is none of the operator's.
    pub const ECHOES: [Self; 3] = [Self::Echoed, Self::Recorded, Self::Claimed];

    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Plain,
        Self::TwoPlain,
        Self::PlainAndStatus,
        Self::Echoed,
        Self::Recorded,
        Self::Claimed,
        Self::Delegated,
        Self::Guarded,
        Self::Gated,
    ];

    /// As its figures are called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain_write",
            Self::TwoPlain => "two_plain_writes",
            Self::PlainAndStatus => "plain_write_and_status",
            Self::Echoed => "echoed_write",
            Self::Recorded => "recorded_write",
            Self::Claimed => "claimed_write",
            Self::Delegated => "delegated_write",
            Self::Guarded => "guarded_write",
            Self::Gated => "gated_write",
        }
    }

    /// The namespace in which they are made.
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::Plain | Self::TwoPlain | Self::PlainAndStatus => "plain",
            Self::Echoed => "echoed",
            Self::Recorded => "recorded",
            Self::Claimed => "claimed",
            Self::Delegated => "delegated",
            Self::Guarded => "guarded",
            Self::Gated => "area-1",
        }
    }
}
