// swift-tools-version: 6.2
import Foundation
import PackageDescription

/// Warnings are errors where the environment says so (`make check`, `make test` and `.ci/run` do), so that a new
/// compiler's new warning never stops an operator from building a release.
let strict = ProcessInfo.processInfo.environment["LIGHTNINGSTREAM_STRICT"] != nil
let settings: [SwiftSetting] = strict ? [.treatAllWarnings(as: .error)] : []

func system(_ name: String, _ pkgConfig: String, apt: String) -> Target {
    .systemLibrary(name: name, path: "Sources/\(name)", pkgConfig: pkgConfig, providers: [.apt([apt])])
}

func room(_ name: String, uses dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ room: String, also dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .testTarget(
        name: "\(room)Tests", dependencies: [.byName(name: room), "TestSupport"] + dependencies, exclude: exclude,
        swiftSettings: settings)
}

let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let hummingbird = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let http = [
    Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types"),
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
    .product(name: "NIOPosix", package: "swift-nio"),
]
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
/// Linked by those above and imported nowhere here; named because SwiftPM pins only what a target uses.
let indirect = [
    Target.Dependency.product(name: "AsyncAlgorithms", package: "swift-async-algorithms"),
    .product(name: "Atomics", package: "swift-atomics"),
    .product(name: "DequeModule", package: "swift-collections"),
    .product(name: "SystemPackage", package: "swift-system"),
]

// Dependencies point up this list only: docs/architecture.md says what lives in which room.
let package = Package(
    name: "lightningstream",
    // One version each, so that two builds a month apart are of the same sources: docs/packages.md.
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1", traits: []),
        .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0", traits: []),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", exact: "1.35.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
        // What these link into the program.
        .package(url: "https://github.com/apple/swift-async-algorithms", exact: "1.1.4"),
        .package(url: "https://github.com/apple/swift-atomics", exact: "1.3.0"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/apple/swift-system", exact: "1.8.1"),
    ],
    targets: [
        system("CLMDB", "lmdb", apt: "liblmdb-dev"),
        system("CCurl", "libcurl", apt: "libcurl4-openssl-dev"),
        system("COpenSSL", "openssl", apt: "libssl-dev"),
        system("CYAML", "yaml-0.1", apt: "libyaml-dev"),
        system("CISAL", "libisal", apt: "libisal-dev"),

        room("Support", uses: []),
        room("LMDB", uses: ["Support", "CLMDB"]),
        room("Snapshots", uses: ["Support", "CISAL"]),
        room("HTTP", uses: ["Support", "CCurl", "COpenSSL"]),
        room("BlobStorage", uses: ["Support", "HTTP"]),
        room("Sealing", uses: ["Support", "Snapshots", "BlobStorage", "COpenSSL"]),
        room("Replication", uses: ["Support", "LMDB", "Snapshots", "BlobStorage", log]),
        room("Config", uses: ["Support", "CYAML"]),
        room("Observability", uses: ["Support", log]),
        room("PowerDNSFormat", uses: ["Support", "LMDB", "Snapshots", "COpenSSL"]),
        room("PowerDNSDatabase", uses: ["Support", "LMDB", "Snapshots", "PowerDNSFormat"]),
        room(
            "PowerDNSSync",
            uses: [
                "Support", "LMDB", "Snapshots", "HTTP", "BlobStorage", "Replication", "PowerDNSFormat",
                "PowerDNSDatabase",
                "Observability", log,
            ]),
        room("Monitoring", uses: ["Support", "LMDB", "Snapshots", "BlobStorage", "Replication", "Observability", log]),
        room(
            "StatusServer",
            uses: ["Support", "Snapshots", "HTTP", "Monitoring", "Observability", log, lifecycle, hummingbird] + http
                + indirect),
        room(
            "Daemon",
            uses: [
                "Support", "LMDB", "Snapshots", "HTTP", "BlobStorage", "Sealing", "Replication", "Config",
                "Observability",
                "Monitoring",
                "PowerDNSFormat", "PowerDNSDatabase", "PowerDNSSync", "StatusServer", lifecycle, log,
            ]),
        room(
            "Doctor",
            uses: [
                "Support", "LMDB", "Snapshots", "BlobStorage", "Sealing", "Replication", "Config", "Monitoring",
                "PowerDNSFormat",
                "PowerDNSDatabase", "PowerDNSSync", "Daemon",
            ]),
        room(
            "Commands",
            uses: [
                "Support", "LMDB", "Snapshots", "HTTP", "BlobStorage", "Sealing", "Replication", "Config",
                "Observability",
                "Monitoring",
                "PowerDNSFormat", "PowerDNSDatabase", "Daemon", "Doctor", argumentParser, log,
            ]),
        .executableTarget(name: "lightningstream", dependencies: ["Commands"], swiftSettings: settings),

        // Serves reports that a test writes, for the tests of the status page in a browser.
        .executableTarget(
            name: "status-preview", dependencies: ["StatusServer", "Monitoring", log], path: "Tests/StatusPreview",
            swiftSettings: settings),
        // Compares the pages of an LMDB that others write, for the integration tests.
        .executableTarget(name: "page-diff", dependencies: ["LMDB"], path: "Tests/PageDiff", swiftSettings: settings),
        .target(name: "TestSupport", dependencies: [log], path: "Tests/TestSupport", swiftSettings: settings),
        // Whole histories of several instances in simulated time: `make simulate`.
        .target(
            name: "Simulator",
            dependencies: [
                "Support", "LMDB", "Snapshots", "BlobStorage", "Replication", "Monitoring", "TestSupport",
                .product(name: "HeapModule", package: "swift-collections"),
            ], path: "Tests/Simulator", swiftSettings: settings),
        .executableTarget(
            name: "simulate", dependencies: ["Simulator"], path: "Tests/Simulate", exclude: ["mutants.py"],
            swiftSettings: settings),
        tests("Support"),
        tests("LMDB"),
        tests("Snapshots", also: ["Support", "LMDB"], exclude: ["Fixtures"]),
        .target(
            name: "PowerDNSTestSupport", dependencies: ["LMDB", "PowerDNSFormat", "PowerDNSDatabase", "TestSupport"],
            path: "Tests/PowerDNSTestSupport", swiftSettings: settings),
        tests("Sealing", also: ["Support", "Snapshots", "BlobStorage"]),
        tests("PowerDNSFormat", also: ["Support", "LMDB", "Snapshots"], exclude: ["Fixtures"]),
        tests("PowerDNSDatabase", also: ["Support", "LMDB", "Snapshots", "PowerDNSFormat", "PowerDNSTestSupport"]),
        tests(
            "PowerDNSSync",
            also: [
                "Support", "LMDB", "Snapshots", "HTTP", "BlobStorage", "Replication", "PowerDNSFormat",
                "PowerDNSDatabase",
                "PowerDNSTestSupport", "Observability", log,
            ]),
        tests("HTTP", also: ["Support"]),
        tests("BlobStorage", also: ["Support", "HTTP"]),
        tests("Replication", also: ["Support", "LMDB", "Snapshots", "BlobStorage", "Simulator", log]),
        tests("Config"),
        tests("Observability"),
        tests(
            "Monitoring", also: ["Support", "LMDB", "Snapshots", "BlobStorage", "Replication", "Observability", log]),
        tests("StatusServer", also: ["Support", "Monitoring", "Observability", log, lifecycle]),
        .target(
            name: "DaemonTestSupport", dependencies: ["Daemon", "Observability", "TestSupport"],
            path: "Tests/DaemonTestSupport", swiftSettings: settings),
        tests(
            "Daemon",
            also: [
                "DaemonTestSupport", "Support", "LMDB", "Snapshots", "HTTP", "BlobStorage", "Sealing", "Replication",
                "Config",
                "Observability", "Monitoring", "StatusServer", log,
            ]),
        tests(
            "Doctor",
            also: ["Support", "LMDB", "BlobStorage", "Sealing", "Replication", "Snapshots", "Config", "Daemon"]),
        tests(
            "Commands",
            also: [
                "Support", "LMDB", "Snapshots", "HTTP", "BlobStorage", "Replication", "Config", "Observability",
                "PowerDNSFormat", "Daemon", "DaemonTestSupport", "Doctor", "lightningstream",
            ]),
    ]
)
