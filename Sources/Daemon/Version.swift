/// The version of this program, used by package and image; a test compares other occurrences.
package let programVersion = "0.2.0"
