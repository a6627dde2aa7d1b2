/// Limits for each client, and for all clients together.
package struct ServerLimits: Sendable {
    /// Open connections. A further one closes the one whose client has taken longest to send a request or read an answer;
    /// if there is none, the one whose answer takes longest to compute.
    package var connections = 128
    /// From the opening of a connection, or the end of an answer, to the end of the head of a request.
    package var head = Duration.seconds(20)
    /// From the head of a request to the end of its body, if that is read.
    package var body = Duration.seconds(5)
    /// From the head of a request, or the end of its body, until the system has accepted the last byte of its answer.
    package var answer = Duration.seconds(30)
    /// How long a closing connection is still read, so that the client sees the answer before a reset.
    package var linger = Duration.seconds(1)
    /// The time to compute an answer.
    package var making = Duration.seconds(15)
    /// How long a listing of the storage is reused.
    package var listingAge = Duration.seconds(5)
    /// How long requests may still be answered during shutdown.
    package var shutdown = Duration.seconds(1)
    /// The maximum sizes of a head's parts in bytes: of one field or the URI, and of all together.
    package var headField = 8 << 10
    package var headBytes = 16 << 10
    package var headFields = 64

    /// The maximum sizes of the bodies of hints and events in bytes.
    package var hintBytes = 4 << 10
    package var eventBytes = 64 << 10
    /// How many hints a second are taken, and how many bodies of events.
    package var pushRate = 50

    /// The defaults for a status server.
    package init() {}
}
