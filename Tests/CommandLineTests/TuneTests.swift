import Foundation
import Testing

@Suite struct TuneTests {
  @Test("tuning measures checked candidates, and what it finds is used until it is forgotten")
  func tune() throws {
    try skipWithout("opencl")
    let environment = ["XDG_CACHE_HOME": temporary()]
    let tuned = try switchback("tune", "--seconds", "3", "--json", environment: environment)
    #expect(tuned.status == 0, "\(tuned.error)")
    let found = try #require(
      try JSONSerialization.jsonObject(with: Data(tuned.output.utf8)) as? [String: Any], "\(tuned.output)")
    #expect((found["tried"] as? Int ?? 0) >= 1)
    #expect((found["wrong"] as? [String])?.isEmpty == true, "\(tuned.output)")
    #expect(found["tiles"] is String)
    let forgotten = try switchback("tune", "--forget", environment: environment)
    #expect(forgotten.status == 0 && forgotten.output.isEmpty, "\(forgotten.error)")
  }

  @Test("a device that is not there is an error by name")
  func noDevice() throws {
    try skipWithout("opencl")
    let tuned = try switchback("tune", "--device", "no such card")
    #expect(tuned.status == 69 && tuned.error.contains("no such card"), "\(tuned.error)")
  }
}
