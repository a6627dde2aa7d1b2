import Commands
import Glibc

// Not exit(3): its handlers would take libraries down under threads that still use them.
_exit(Program.run(CommandLine.arguments))
