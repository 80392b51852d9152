//! What can go wrong with an API server until it is healed.

/// A standing fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Streaming lists are answered with 422, as with the feature gate WatchList off.
    NoStreamingLists,
    /// Streaming lists are taken for plain watches, as by servers that do not know them: the bookmark which
    /// ends the initial part never comes.
    EndlessStreamingLists,
    /// The connection of a streaming list is cut in the middle of its third object.
    CutStreamingLists,
    /// Services cannot be selected by `spec.clusterIP` (400), as before Kubernetes 1.31.
    NoClusterIpSelector,
    /// Every watch ends at once.
    EndWatchesAtOnce,
    /// A version that is forgotten is answered with HTTP 410, not with an event.
    GoneAsStatus,
    /// The second page of a list comes too late: 410.
    ExpirePages,
    /// Requests are answered after a second.
    Slow,
    /// Requests are never answered.
    Hang,
    /// Requests are answered with 500.
    InternalError,
    /// Requests are answered with 429.
    TooManyRequests,
    /// Events are refused with 403, as without the right to create them.
    ForbiddenEvents,
    /// Events are recorded, but the answer is 500.
    LateEventErrors,
    /// Objects come in JSON, whatever the client would like better. Only so can they be malformed.
    JsonOnly,
    /// Lists are answered with HTML.
    HtmlLists,
    /// Lists are answered with JSON that is no list.
    EmptyObjects,
    /// No watch is told of anything, not even by bookmarks.
    Mute,
}
