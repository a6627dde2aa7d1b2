// swift-tools-version: 6.2
import Foundation
import PackageDescription

/// Warnings are errors where the environment says so (`.ci/run` and `make test` do), so that a new
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
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")

// Dependencies point up this list only: docs/architecture.md says what lives in which room.
let package = Package(
    name: "lightningstream",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        system("CLMDB", "lmdb", apt: "liblmdb-dev"),
        system("CCurl", "libcurl", apt: "libcurl4-openssl-dev"),
        system("COpenSSL", "openssl", apt: "libssl-dev"),
        system("CYAML", "yaml-0.1", apt: "libyaml-dev"),
        system("CISAL", "libisal", apt: "libisal-dev"),

        room("Bytes", uses: []),
        room("LMDB", uses: ["CLMDB"]),
        room("Snapshots", uses: ["Bytes", "CISAL"]),
        room("BlobStorage", uses: ["Bytes", "CCurl", "COpenSSL"]),
        room("Replication", uses: ["Bytes", "LMDB", "Snapshots", "BlobStorage", log]),
        room("Config", uses: ["CYAML"]),
        room("Telemetry", uses: ["Bytes", log]),
        room("Monitoring", uses: ["Bytes", "LMDB", "Snapshots", "BlobStorage", "Replication", "Telemetry", log]),
        room(
            "Commands",
            uses: [
                "Bytes", "LMDB", "Snapshots", "BlobStorage", "Replication", "Config", "Telemetry", "Monitoring",
                argumentParser, lifecycle, log,
            ]),
        .executableTarget(name: "lightningstream", dependencies: ["Commands"], swiftSettings: settings),

        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: settings),
        tests("Bytes"),
        tests("LMDB"),
        tests("Snapshots", also: ["Bytes", "LMDB"], exclude: ["Fixtures"]),
        tests("BlobStorage", also: ["Bytes"]),
        tests("Replication", also: ["Bytes", "LMDB", "Snapshots", "BlobStorage", log]),
        tests("Config"),
        tests("Telemetry"),
        tests("Monitoring", also: ["Bytes", "LMDB", "Snapshots", "BlobStorage", "Replication", "Telemetry", log]),
        tests(
            "Commands",
            also: ["BlobStorage", "Bytes", "Config", "LMDB", "Replication", "Telemetry", "lightningstream"]),
    ]
)
