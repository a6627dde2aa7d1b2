/// What one client, and all together, may cost.
package struct ServerLimits: Sendable {
    /// Open connections. One more closes the one whose client has taken longest to send a request or to take an answer;
    /// where there is none, the one whose answer has been in the making for longest.
    package var connections = 128
    /// From the opening of a connection, or the end of an answer, to the end of the head of a request.
    package var head = Duration.seconds(20)
    /// From the head of a request to the last byte of its answer's being taken by the system.
    package var answer = Duration.seconds(30)
    /// How long a connection that is not kept is read on, so that the client sees the answer before a reset.
    package var linger = Duration.seconds(1)
    /// How long an answer may take to be made.
    package var making = Duration.seconds(15)
    /// For how long a list of the storage's objects is shown again.
    package var listingAge = Duration.seconds(5)
    /// How long requests may still be answered once the server is to end.
    package var shutdown = Duration.seconds(1)
    /// The size of a head's parts in bytes: of one field or the URI, and of all together.
    package var headField = 8 << 10
    package var headBytes = 16 << 10
    package var headFields = 64

    /// Those that suit a status server.
    package init() {}
}
