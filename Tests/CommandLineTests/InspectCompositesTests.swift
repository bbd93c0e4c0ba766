import Foundation
import TestFiles
import Testing

@Suite struct InspectCompositesTests {
  private struct Inspection: Decodable {
    struct Composite: Decodable {
      var label: String
      var backend: String
      var partCount: Int
    }
    var composites: [Composite]
  }

  @Test("inspect --explain says of each operation that simpler ones can compute who computes it, and in which form")
  func explained() throws {
    let layers = "model.layers=[flatten, layer_normalization, {dense: {units: 10, activation: softmax}}]"
    let arguments = ["inspect", "configs/mnist-linear.yaml", "--backend", "reference", "--set", layers]
    let said = try switchback(arguments + ["--explain"])
    #expect(said.status == 0, "\(said.error)")
    #expect(said.output.contains("\nlayers.1.layerNormalization/normalize whole on reference\n"), "\(said.output)")
    #expect(!(try switchback(arguments).output.contains("whole on")))
    let json = try switchback(arguments + ["--json"]).output
    let composites = try JSONDecoder().decode(Inspection.self, from: Data(json.utf8)).composites
    // The layer reads the pictures, whose gradient nobody needs.
    #expect(composites.map(\.label) == ["layers.1.layerNormalization/normalize"])
    #expect(composites.allSatisfy { $0.backend == "reference" && $0.partCount == 0 })
  }
}
