/// What is wrong with a key or its value. Values are shown as ``Display`` does.
package enum KeyFault: Sendable, Equatable {
    /// A key that is not in the table.
    package enum Unknown: Sendable, Equatable {
        /// A blank is missing after this key.
        case noBlank(after: String)
        /// A similar key.
        case meant(String)
        /// The key belongs to another section.
        case belongs(String)
        /// There are no keys here.
        case none
        /// The keys here.
        case expected([String])
    }

    /// A value is not valid.
    case value(found: String, ValueProblem)
    /// An unusual value is replaced.
    case replaced(found: String, ValueRemark)
    /// A list or a value instead of a section.
    case notSection(kind: String)
    /// A list or a section instead of a value of this type.
    case notValue(kind: String, type: String)
    /// The key is not in the table.
    case unknown(Unknown)
    /// A name chosen by the operator is not valid.
    case badName(String, allowed: String)
    /// The trait of a key.
    case trait(KeyTrait)
    /// The key belongs to other types of storage.
    case otherStorage(owners: [String], type: String)
}

extension KeyFault {
    var text: String {
        switch self {
        case .value(let found, let problem):
            "found \(found); expected \(problem.allowed)\(problem.hint.map { " (\($0.text))" } ?? "")"
        case .replaced(let found, let remark): "found \(found): \(remark.text)"
        case .notSection(let kind): "found \(kind); expected a section of keys"
        case .notValue(let kind, let type): "found \(kind); expected one value (\(type))"
        case .unknown(let unknown): "unknown key; \(unknown.text)"
        case .badName(let name, let allowed): "\(Display.quoted(name)) is not a valid name; expected \(allowed)"
        case .trait(let trait): trait.warning ?? ""
        case .otherStorage(let owners, let type):
            "belongs to storage.type \(owners.joined(separator: " or ")); the type here is \(type)"
        }
    }
}

extension KeyFault.Unknown {
    fileprivate var text: String {
        switch self {
        case .noBlank(let key): "a blank is required after \(key):"
        case .meant(let key): "did you mean \(key)?"
        case .belongs(let path): "it belongs at \(path) (check the indentation)"
        case .none: "no keys are allowed here"
        case .expected(let keys): "expected \(keys.joined(separator: ", "))"
        }
    }
}

/// What is wrong with a key beside the others.
package enum CheckFault: Sendable, Equatable {
    /// A required key is missing.
    case required(String)
    /// The host name, which is the default of the instance, is empty.
    case noInstance
    /// Two keys exclude each other.
    case exclusive(String)
    /// The key is only valid with another.
    case needs(String)
    /// Native mode and `dupsort_hack`.
    case notNative
    /// The old and the new spelling have different values.
    case oldSpelling(used: String, ignored: String)
    /// Complete key files take precedence.
    case filesAreUsed
    /// One of two key files is ignored.
    case keysAreUsed
    /// The text takes precedence over the file.
    case besideText(String)
    /// A certificate without its key is ignored.
    case noCertificateKey
    /// A key without its certificate is ignored.
    case noCertificate
    /// PowerDNS's API is given without its key.
    case noAPIKey
    /// The key of PowerDNS's API is given without its address.
    case noAPIAddress
    /// The secrets would be read too often.
    case refreshedTooOften(Duration)
    /// The retention is not longer than 0 days.
    case noRetention(Double)
    /// The retention is longer than a hundred years.
    case longRetention(Double, taken: Int)
    /// A pause is short; the duration that is used instead, if it is too short.
    case shortPause(Duration, taken: Duration?)
    /// A duration is negative.
    case negative(Duration)
    /// A name is not a database.
    case noDatabase(String)
    /// PowerDNS's records and zones are in one database.
    case sameDatabase
    /// Another database has the same LMDB.
    case samePath(String, owner: String)
}

extension CheckFault {
    var text: String {
        switch self {
        case .required(let what): "required: \(what)"
        case .noInstance: "required, because this host has no name: a unique name"
        case .exclusive(let other): "not allowed together with \(other): keep one of them"
        case .needs(let other): "needs \(other) as well"
        case .notNative: "not allowed together with schema_tracks_changes: remove one of them"
        case .oldSpelling(let used, let ignored):
            "\(Display.quoted(used)) is used, and not \(Display.quoted(ignored)) of storage.options.root_path: remove "
                + "one of them"
        case .filesAreUsed: "has no effect: the key files are used"
        case .keysAreUsed: "has no effect without the other key file: access_key and secret_key are used"
        case .besideText(let text): "has no effect beside \(text)"
        case .noCertificateKey: "has no effect without its key: give key_file or key as well"
        case .noCertificate: "has no effect without its certificate: give cert_file or cert as well"
        case .noAPIKey: "needs the API's key: give key_file or key as well"
        case .noAPIAddress: "needs the API's address: give url as well, or leave out both"
        case .refreshedTooOften(let found):
            "found \(DurationText.format(found)); expected a duration of at least 1s"
        case .noRetention(let found):
            "found \(found); expected a number of days greater than 0: without any, deleted entries would return"
        case .longRetention(let found, let taken): "found \(found), above the maximum, taken as \(taken) days"
        case .shortPause(let found, let taken?):
            "found \(DurationText.format(found)), which is less than 1s, taken as \(DurationText.format(taken))"
        case .shortPause(let found, nil):
            "found \(DurationText.format(found)), which is less than 1s: each run costs requests or locks"
        case .negative(let found): "found \(DurationText.format(found)): negative, taken as 0"
        case .noDatabase(let name): "found \(Display.quoted(name)), but there is no such database in lmdbs"
        case .sameDatabase: "the same database as powerdns.main: PowerDNS keeps its records in a separate one"
        case .samePath(let path, let owner):
            "found \(Display.quoted(path)), but database \(Display.oneLine(owner)) uses the same LMDB"
        }
    }
}
