import Support

/// How far a server's clock is ahead of ours, from the `Date` of an answer (RFC 9110, 6.6.1); nil if there is none.
///
/// `Date` is truncated to whole seconds: the middle of the second is wrong by half a second at most.
package func clockOffset(of answer: HTTPAnswer) -> Duration? {
    // A proxy that answers from a cache or with its own error sends a different time.
    guard answer.status < 500, answer.headers["age"].map({ $0 == "0" }) ?? true,
        let date = answer.headers["date"].flatMap({ WallTime(httpDate: $0) }),
        let ours = Int64(exactly: answer.receivedAt)
    else { return nil }
    return .seconds(date.seconds) + .milliseconds(500) - .nanoseconds(ours)
}
