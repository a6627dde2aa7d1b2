import Support

/// How far a server's clock is ahead of ours, from the `Date` of an answer (RFC 9110, 6.6.1); nil when it doesn't say.
///
/// `Date` has whole seconds, cut off: the middle of the second is at most half a second wrong.
package func clockOffset(of answer: HTTPAnswer) -> Duration? {
    // A proxy that answers for the server, from memory or with an error of its own, tells another time.
    guard answer.status < 500, answer.headers["age"].map({ $0 == "0" }) ?? true,
        let date = answer.headers["date"].flatMap({ WallTime(httpDate: $0) }),
        let ours = Int64(exactly: answer.receivedAt)
    else { return nil }
    return .seconds(date.seconds) + .milliseconds(500) - .nanoseconds(ours)
}
