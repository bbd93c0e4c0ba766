/// Why a backend leaves a call to another one.
package struct Declined: Error {
  package let reason: String

  package init(reason: String) { self.reason = reason }
}
