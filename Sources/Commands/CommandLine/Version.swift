/// The version of this program; the only place that names it.
package let programVersion = "0.1.0-dev"
