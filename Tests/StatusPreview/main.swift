import Foundation
import Logging
import Monitoring
import StatusServer

// Serves the report in a file, as it is at each request: status-preview FILE. Prints the port.

/// What is in the files beside each other: a report, and nothing else.
struct FileSource: StatusSource {
    var path: String

    func report() async -> StatusReport {
        do {
            return try JSON.decode(StatusReport.self, from: Array(Data(contentsOf: URL(filePath: path))))
        } catch {
            var report = StatusReport()
            report.health.status = "Unavailable"
            report.health.failures["file"] = "\(error)"
            return report
        }
    }

    func metrics() async -> [UInt8] { Array("preview 1\n".utf8) }

    func health() async -> (isAvailable: Bool, json: [UInt8]) {
        let health = await report().health
        return (health.failures.isEmpty, (try? JSON.encode(health)) ?? [])
    }

    func zone(_ name: String) async -> StatusReport.Zone? {
        var zone = StatusReport.Zone()
        zone.name = name
        guard name.hasPrefix("example.org") else {
            zone.problem = "there is no such zone"
            return zone
        }
        (zone.kind, zone.serial, zone.rrsets, zone.changed) = ("NATIVE", 2_026_112_101, 41, await report().time)
        zone.instances = [("ns1", true), ("ns2", true), ("ns3-fra", false), ("old-release", nil)].map { name, hasIt in
            var holder = StatusReport.ZoneHolder()
            (holder.name, holder.isOwn, holder.hasIt) = (name, name == "ns1", hasIt)
            return holder
        }
        return zone
    }

    func objects() async throws -> [(name: String, size: Int)] { [("main__ns1__x__GX.pb.gz", 17)] }
}

guard CommandLine.arguments.count == 2 else {
    print("usage: status-preview FILE")
    exit(64)
}
let server = try await StatusServer.bind(
    to: "127.0.0.1", port: 0, source: FileSource(path: CommandLine.arguments[1]), logger: Logger(label: "preview"))
print("port \(server.port)")
fflush(nil)
while true { try await Task.sleep(for: .seconds(3600)) }
