import Daemon
import Monitoring

extension BufferedOutput {
    /// Appends a value, indented, with a line end.
    mutating func appendJSON(_ value: some Encodable) throws {
        append(String(decoding: try JSON.encode(value, pretty: true), as: UTF8.self))
        try endLine()
    }

    /// Appends an array with one element per line.
    mutating func appendJSONArray(_ elements: some Sequence<some Encodable>) throws {
        var array = JSONArrayText()
        array.begin(&self)
        for element in elements { try array.append(element, to: &self) }
        try array.end(&self)
    }
}

/// Writes an array element by element, each on its own line.
struct JSONArrayText {
    private var isEmpty = true

    func begin(_ output: inout BufferedOutput) { output.append("[") }

    mutating func append(_ element: some Encodable, to output: inout BufferedOutput) throws {
        if !isEmpty { output.append(",") }
        isEmpty = false
        try output.endLine()
        output.append("  ")
        output.append(String(decoding: try JSON.encode(element), as: UTF8.self))
    }

    func end(_ output: inout BufferedOutput) throws {
        try endArray(&output)
        try output.endLine()
    }

    /// Ends the array, but not the line, because it is nested.
    func endArray(_ output: inout BufferedOutput) throws {
        if !isEmpty { try output.endLine() }
        output.append("]")
    }
}
