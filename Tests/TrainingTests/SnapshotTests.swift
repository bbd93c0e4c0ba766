import Foundation
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import TestFiles
import Testing

private let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Snapshots")

/// The shipped configurations of data sets known by name; the others need files of the user's.
private let shipped = ((try? FileManager.default.contentsOfDirectory(atPath: root + "/configs")) ?? [])
  .filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()
  .filter { if case .named? = (try? configuration($0))?.data.source { true } else { false } }

/// The programs of the shipped configurations, as text: a change of tracing, differentiation, optimizers, probes or
/// passes shows as a diff.
@Suite struct SnapshotTests {
  private func check(_ name: String, _ program: Program) throws {
    let file = folder.appendingPathComponent(name + ".program")
    if ProcessInfo.processInfo.environment["SWITCHBACK_UPDATE_SNAPSHOTS"] == "1" {
      try program.description.write(to: file, atomically: true, encoding: .utf8)
    }
    let expected = try String(contentsOf: file, encoding: .utf8)
    #expect(program.description == expected, "\(name) changed; SWITCHBACK_UPDATE_SNAPSHOTS=1 accepts it")
    #expect(try Program(text: expected).description == expected)
  }

  @Test("the training step of every shipped configuration, as traced and after the passes", arguments: shipped)
  func steps(name: String) throws {
    let session = try session(name, on: ReferenceBackend())
    try check(name + "-traced", session.step.build(batchSize: 64).program)
    let plan = try session.plan
    try check(name + "-planned", plan.program)
    #expect(plan.segmentCount == 1)
  }

  @Test("the seed CNN's evaluation")
  func evaluation() throws {
    let session = try session("mnist-cnn", on: ReferenceBackend())
    try check("mnist-cnn-evaluate", session.step.evaluation(batchSize: 64).program)
  }

  @Test("the shipped configurations are seen")
  func seen() { #expect(shipped.contains("mnist-cnn") && shipped.count >= 6) }

  @Test("there is no snapshot without a configuration")
  func noneLeftOver() throws {
    let expected =
      shipped.flatMap { [$0 + "-traced.program", $0 + "-planned.program"] } + ["mnist-cnn-evaluate.program"]
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == expected.sorted())
  }
}
