// passes DATABASE PASS: makes that pass within `counted`. Without PASS it prints their names.
let words = CommandLine.arguments
let passes = orFail { try Passes(over: words.count > 1 ? words[1] : "") }
if words.count > 2, let pass = passes.all.first(where: { $0.name == words[2] }) {
    // The first time also makes what is made once.
    _ = orFail(pass.run)
    print(counted(pass.run))
} else {
    for pass in passes.all { print(pass.name) }
}
