// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that who builds lightningstream neither builds this nor fetches what it needs. The rooms have
// `package` declarations only, which another package can't see, so they are built here once more, from the same sources:
// Rooms is a symbolic link to them.
func system(_ name: String, _ pkgConfig: String) -> Target {
    .systemLibrary(name: name, path: "Rooms/\(name)", pkgConfig: pkgConfig)
}

func room(_ name: String, uses dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, path: "Rooms/\(name)")
}

let log = Target.Dependency.product(name: "Logging", package: "swift-log")

let package = Package(
    name: "micro",
    dependencies: [.package(url: "https://github.com/apple/swift-log", exact: "1.16.2")],
    targets: [
        system("CLMDB", "lmdb"),
        system("CCurl", "libcurl"),
        system("COpenSSL", "openssl"),
        system("CISAL", "libisal"),
        room("Support", uses: []),
        room("LMDB", uses: ["Support", "CLMDB"]),
        room("Snapshots", uses: ["Support", "CISAL"]),
        room("HTTP", uses: ["Support", "CCurl", "COpenSSL"]),
        room("BlobStorage", uses: ["Support", "HTTP"]),
        room("Replication", uses: ["Support", "LMDB", "Snapshots", "BlobStorage", log]),
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
        .executableTarget(
            name: "passes",
            dependencies: [
                "Support", "LMDB", "Snapshots", "Replication", "Observability", "PowerDNSDatabase", "PowerDNSSync", log,
            ],
            path: "Passes"),
    ]
)
