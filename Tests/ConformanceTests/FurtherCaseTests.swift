import Foundation
import SwitchbackConformance
import SwitchbackReference
import Testing

/// Cases beside the suite's own, each in its time limit: of every wait for one somebody hears.
@Suite struct FurtherCaseTests {
  @Test("further cases keep their order, and whoever ends what makes no progress hears of each that is waited for")
  func told() throws {
    var suite = ConformanceSuite(try chain(ReferenceBackend()), reference: try chain(ReferenceBackend()))
    suite.filters = ["contract"]
    suite.furtherCases = ["slow", "quick"].map { name in
      FurtherCase("contract", name) {
        if name == "slow" { Thread.sleep(forTimeInterval: 1.2) }
        return .passed(worst: 0)
      }
    }
    var heard: Set<String> = []
    suite.willTry = { heard.insert("\($0) \($1)") }
    #expect(suite.run().cases.map(\.name) == ["slow", "quick"])
    #expect(heard.contains("contract slow"))
  }

  @Test("an error of a further case is its failure") func failing() throws {
    var suite = ConformanceSuite(try chain(ReferenceBackend()), reference: try chain(ReferenceBackend()))
    suite.filters = ["contract"]
    suite.furtherCases = [FurtherCase("contract", "broken") { throw CocoaError(.fileNoSuchFile) }]
    #expect(suite.run().failures.map(\.name) == ["contract broken"])
  }
}
