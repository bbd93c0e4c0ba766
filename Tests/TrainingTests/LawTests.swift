import Foundation
import SwitchbackDatasets
import SwitchbackMonitoring
import SwitchbackNeuralNetworks
import SwitchbackPrograms
import SwitchbackTraining
import TestFiles
import Testing

/// One weight w under w·x, whose update gets what `gradient` makes of it.
private func description(
  updates: Int = 1, isTrainable: Bool = true, initialized: [String] = ["a/w"], clips: Bool = false,
  isCut: Bool = false, isClipped: Bool = false, hasUnused: Bool = false
) throws -> StepDescription {
  var builder = ProgramBuilder(name: "train")
  let type = TensorType.float32([3])
  let (input, weight) = (builder.input("x", type), builder.state("a/w", type))
  builder.path = "a"
  let product = try builder.append(Binary(.multiply), input, weight)
  if hasUnused {
    builder.path = "b"
    _ = try builder.append(Binary(.add), product, product)
  }
  builder.path = "loss"
  builder.output("loss", try builder.append(Reduce(.mean, axes: [0]), product))
  let gradient = try builder.append(Binary(.add), isCut ? weight : input, weight)
  let applied = isClipped ? try builder.append(Binary(.multiply), gradient, gradient) : gradient
  let allow = try builder.append(AllFinite(), [applied])[0]
  let rate = builder.step("learningRate", .float32([]))
  for _ in 0..<updates { try builder.append(SGDUpdate(), [weight, applied, rate, allow]) }
  return StepDescription(
    program: builder.build(),
    weights: [.init(name: "a/w", layer: "a", isTrainable: isTrainable, gradient: gradient.id)], layers: ["a", "b"],
    initialized: initialized, clips: clips)
}

private func broken(_ step: StepDescription) -> [String] {
  LawCatalog.breaches(in: step).map { "\($0.rule) \($0.cause ?? "")" }
}

@Suite("Laws of a step") struct LawTests {
  @Test("a step without a fault breaks none")
  func holds() throws {
    #expect(try broken(description()).isEmpty)
    #expect(try broken(description(clips: true, isClipped: true)).isEmpty)
    #expect(try broken(description(updates: 0, isTrainable: false)).isEmpty)
  }

  @Test("each is broken by its fault, and no other is")
  func breaches() throws {
    #expect(try broken(description(isCut: true)) == ["gradientPath noPath"])
    #expect(try broken(description(updates: 0)) == ["oneUpdate noUpdate"])
    #expect(try broken(description(updates: 2)) == ["oneUpdate severalUpdates"])
    #expect(try broken(description(isTrainable: false)) == ["frozenWeights update"])
    #expect(try broken(description(hasUnused: true)) == ["layerIsUsed unused"])
    #expect(try broken(description(initialized: [])) == ["oneInitialization notInitialized"])
    #expect(try broken(description(initialized: ["a/w", "a/w"])) == ["oneInitialization severalInitializations"])
    #expect(try broken(description(clips: true)) == ["clippingApplies notApplied"])
    var doubted = try description()
    doubted.doubt = "the loss takes logits"
    #expect(broken(doubted) == ["lossTakesOutput activation"])
  }

  @Test("a finding names the weight, its layer and numbers")
  func finding() throws {
    let found = try #require(LawCatalog.breaches(in: description(updates: 2)).first)
    #expect(found.layers == ["a"] && found.subject == "a/w" && found.evidence == ["updates": 2])
    #expect(found.severity == .error && found.step == 0 && found.proof == nil)
  }

  @Test(
    "healthy networks break none",
    arguments: ["mnist-cnn", "mnist-mlp", "resnet20-fashion", "lstm-rows-mnist"].filter {
      FileManager.default.fileExists(atPath: root + "/configs/\($0).yaml")
    })
  func healthy(name: String) throws {
    let step = try configuration(name).trainingStep(on: DatasetLayout(sampleShape: [28, 28, 1], targets: .classes))
    let found = LawCatalog.breaches(in: StepDescription(try step.build(batchSize: 4), of: step))
    #expect(found.isEmpty, "\(found.map(\.message))")
  }

  @Test("a run tells what it breaks before its first step, once, and a run that goes on does not say it again")
  func run() throws {
    let text = smallRun.replacingOccurrences(of: ", activation: softmax", with: "")
    let found = try makeLoop(text, ["training.epochs=1"]).run().findings
    #expect(found.filter { $0.rule == "lossTakesOutput" }.map(\.step) == [0])
    #expect(try makeLoop(text, ["training.epochs=1", "monitor.enabled=false"]).run().findings.isEmpty)
  }

  @Test("the table has the laws that there are, all columns of each, and no other")
  func table() throws {
    let folder = try CatalogueFolder("Sources/Monitoring/Laws", of: "Law")
    #expect(folder.lines.map { $0[0].trimmingCharacters(in: ["`"]) } == LawCatalog.all.map(\.name))
    for cells in folder.lines { #expect(cells.count == 5 && cells.allSatisfy { !$0.isEmpty }, "\(cells)") }
    #expect(folder.types == Set(LawCatalog.all.map { "\(type(of: $0))" }))
  }
}
