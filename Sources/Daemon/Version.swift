/// The version of this program. Package and image take it from here; what else names it is compared by a test.
package let programVersion = "0.2.0"
