import BlobStorage
import Config
import Support

/// The results of testing the storage.
struct StorageFacts: Sendable, Equatable {
    enum Step: Sendable, Equatable {
        case works
        /// The storage denies access.
        case denied(String)
        case failed(String)
        /// An earlier step has failed.
        case notTried
    }

    var list = Step.notTried
    var put = Step.notTried
    var get = Step.notTried
    var delete = Step.notTried
    /// The number of objects of the configured databases.
    var objects = 0
    /// The number of deltas among them.
    var deltas = 0
    /// Whether the server announces changes; nil if it does not, or if this type of storage has no such thing.
    var notifications: Step?
    /// Whether that is asked for, and whether it is wanted in any case.
    var asksForNotifications = false
    var wantsNotifications = false
    /// The credentials that were used; nil if this type of storage has none.
    var credentials: CredentialState?
    /// A probe object that could not be removed.
    var leftover: String?
    /// How far the storage's clock is ahead; nil if the storage does not provide its time.
    var clockOffset: Duration?
    /// Whether this host cleans the storage.
    var cleans: Bool
    /// Whether this host never writes to the storage.
    var receives = false
    var clockTolerance: Duration
}

/// Checks whether the storage can be used.
enum StorageChecks {
    static func check(_ facts: StorageFacts, _ findings: inout Findings) {
        let deltas = facts.deltas == 0 ? "" : ", \(facts.deltas) of them deltas"
        checkCredentials(facts, &findings)
        required("list", facts.list, "\(facts.objects) objects of the configured databases\(deltas)", &findings)
        required("get", facts.get, "works", &findings)
        checkPut(facts, &findings)
        checkDelete(facts, &findings)
        checkNotifications(facts, &findings)
        checkClock(facts, &findings)
    }

    private static let cure =
        "check storage.options and the server; `lightningstream snapshots list --debug` shows every attempt"

    private static func required(
        _ name: String, _ step: StorageFacts.Step, _ text: String, _ findings: inout Findings
    ) {
        switch step {
        case .works: findings.pass(name, text)
        case .denied(let error):
            findings.fail(name, error, cure: "\(permission(name)): every host needs it")
        case .failed(let error): findings.fail(name, error, cure: cure)
        case .notTried: findings.skip(name, "not tried")
        }
    }

    private static func checkCredentials(_ facts: StorageFacts, _ findings: inout Findings) {
        guard let credentials = facts.credentials else { return }
        let place = "from \(credentials.origin.text)"
        guard credentials.isObtained else { return findings.skip("credentials", "none yet \(place); see list") }
        let end = credentials.expires.map { "; they expire at \($0.rfc3339(digits: 0)), and are renewed before" } ?? ""
        findings.pass("credentials", place + end)
    }

    private static func checkPut(_ facts: StorageFacts, _ findings: inout Findings) {
        switch facts.put {
        case .works: findings.pass("put", "works")
        case .denied where facts.receives: findings.pass("put", "refused; receive never writes")
        case .denied(let error):
            findings.fail(
                "put", "\(error): sync will send nothing",
                cure: "\(permission("put")); for a host that runs only receive, use doctor --receive")
        case .failed(let error): findings.fail("put", error, cure: cure)
        case .notTried: findings.skip("put", "not tried")
        }
    }

    private static func checkDelete(_ facts: StorageFacts, _ findings: inout Findings) {
        let rest = facts.leftover.map { "; the probe object \($0) still exists: remove it by other means" } ?? ""
        switch facts.delete {
        case .works: findings.pass("delete", "works")
        case .denied where facts.receives && facts.leftover == nil:
            findings.pass("delete", "refused; receive never writes")
        case .denied(let error) where facts.cleans:
            findings.fail(
                "delete", error + rest,
                cure: "\(permission("delete")): storage.cleanup.enabled is true; or let another host clean")
        case .denied(let error):
            findings.warn(
                "delete", "\(error): acceptable if another host cleans the storage" + rest,
                cure: "\(permission("delete")) to set storage.cleanup.enabled")
        case .failed(let error): findings.fail("delete", error + rest, cure: cure)
        case .notTried: findings.skip("delete", "not tried")
        }
    }

    private static func checkNotifications(_ facts: StorageFacts, _ findings: inout Findings) {
        let name = "notifications"
        guard facts.asksForNotifications else { return }
        let cure = "allow s3:ListenBucketNotification for the bucket, or set storage.options.notifications to off"
        switch facts.notifications {
        case .works: findings.pass(name, "the server announces changes")
        case .denied(let error): findings.warn(name, "\(error): changes are found by listing", cure: cure)
        case .failed(let error) where facts.wantsNotifications: findings.warn(name, error, cure: cure)
        case nil where facts.wantsNotifications:
            findings.warn(
                name, "the server does not announce changes: they are found by listing",
                cure: "set storage.options.notifications to auto or off")
        case .failed, nil: findings.pass(name, "the server does not announce changes: they are found by listing")
        case .notTried: findings.skip(name, "not tried")
        }
    }

    private static func checkClock(_ facts: StorageFacts, _ findings: inout Findings) {
        guard let offset = facts.clockOffset else {
            return findings.skip(
                "clock",
                facts.list == .works
                    ? "not checked: this type of storage does not provide its time"
                    : "not checked: the storage has not sent its time")
        }
        let size = offset < .zero ? .zero - offset : offset
        let text =
            "this host's clock is \(DurationText.format(.milliseconds(size / .milliseconds(1)))) "
            + "\(offset < .zero ? "ahead of" : "behind") the storage's"
        let cure =
            "set up NTP (chrony, systemd-timesyncd): of two changes of one entry the one with the later time wins"
        if size <= facts.clockTolerance {
            findings.pass("clock", text)
        } else if size <= .seconds(60) {
            findings.warn("clock", text, cure: cure)
        } else {
            findings.fail("clock", text, cure: cure)
        }
    }

    private static func permission(_ name: String) -> String {
        let (action, role) =
            switch name {
            case "list": ("s3:ListBucket", "Reader")
            case "get": ("s3:GetObject", "Reader")
            case "put": ("s3:PutObject", "Contributor")
            default: ("s3:DeleteObject", "Contributor")
            }
        return
            "allow \(name) (\(action) for S3, Storage Blob Data \(role) for Azure, access to the files for a directory)"
    }
}
