import ArgumentParser
import Foundation
import Switchback
import SwitchbackExecution
import SwitchbackInference
import SwitchbackInterchange
import SwitchbackNeuralNetworks
import SwitchbackTraining

struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Takes weights from PyTorch or Keras into a configuration's network.",
    discussion: flowing(
      """
      Reads safetensors and files of torch.save (state_dict), without executing anything in them. Keras's own files become
      safetensors by Scripts/keras_to_safetensors.py. Which tensor becomes which weight is found by order, shapes and the
      endings of names, or said by a map. The result is the file of a trained model: a run starts with it (train CONFIG --from
      FILE), and Swift loads it (TrainedModel). --dry-run writes no weights; it shows the matches, and writes a map to
      change, to --map where that is not there yet. Examples:

        switchback import model.pt --into mnist.yaml --dry-run --map map.yaml
        switchback import model.pt --into mnist.yaml --out model.safetensors
        # proves it by what PyTorch answered to some inputs:
        switchback import model.pt --into mnist.yaml --check outputs.safetensors
        switchback train mnist.yaml --from model.safetensors
      """))

  @Argument(help: "The weights: safetensors, or what torch.save wrote.", completion: .file())
  var file: String

  @Option(help: "The configuration of the network, or a run that has it.", completion: .file(extensions: ["yaml"]))
  var into: String

  @OptionGroup var settings: SettingOptions

  @Option(help: "What becomes what, as --dry-run writes it; otherwise it is proposed.", completion: .file())
  var map: String?

  @Flag(help: "Only shows what would become what, and writes the map.")
  var dryRun = false

  @Option(
    help: "Inputs and the outputs that the other framework made of them (input, output, or the fields' names).",
    completion: .file(extensions: ["safetensors"]))
  var check: String?

  @Option(help: "By how much outputs may differ, relative to the largest.")
  var tolerance = 1e-5

  @Option(help: "The file to write, which must not be there.", completion: .file(extensions: ["safetensors"]))
  var out: String?

  @Flag(help: "One JSON object on standard output.")
  var json = false

  private struct Result: Encodable {
    struct Match: Encodable {
      var theirs: [String]
      var ours: String?
      var transform: String
    }
    struct Missing: Encodable {
      var ours: String
      var shape: [Int]
      var reason: String
    }
    var framework: String
    var matches: [Match]
    var missing: [Missing]
    var leftOver: [String]
    var notes: [String]
    var difference: Double?
    var out: String?
  }

  func validate() throws {
    guard dryRun || out != nil || check != nil else {
      throw ValidationError("Say where the network goes (--out), or ask for --dry-run or --check")
    }
    guard !dryRun || out == nil && check == nil else {
      throw ValidationError("--dry-run writes and checks no weights: take --out and --check away")
    }
  }

  func run() throws {
    try reportingErrors {
      if let out, FileManager.default.fileExists(atPath: out) {
        throw fail("\(out) is there already; name another file", ExitStatus.cannotWrite)
      }
      let configuration = try settings.configuration(configurationFile(into))
      let step = try configuration.trainingStep(on: try configuration.data.source.layout())
      let program = try step.inference(batchSize: 1).program
      let foreign = try ForeignWeights(file)
      let proposal = WeightProposal(foreign, for: program)
      let given = try map.flatMap { FileManager.default.fileExists(atPath: $0) ? $0 : nil }.map {
        try WeightMap(text: TextFile.read($0), file: $0)
      }
      guard dryRun || map == nil || given != nil else {
        throw fail("there is no map \(map ?? "")", ExitStatus.missingFile)
      }
      var result = Result(
        framework: foreign.framework.rawValue, matches: [],
        missing: proposal.missing.map { .init(ours: $0.name, shape: $0.shape, reason: $0.reason) },
        leftOver: proposal.leftOver.map(\.name), notes: proposal.notes)
      let taken = given ?? proposal.map
      result.matches = taken.entries.map {
        .init(theirs: $0.theirs, ours: $0.ours, transform: $0.steps.map(\.words).joined(separator: ", "))
      }
      if dryRun {
        if let given { _ = try given.weights(from: foreign, for: program) }
        if !json { show(taken, given == nil ? result : nil, foreign) }
        try write(proposal, isThere: given != nil)
      } else {
        if given == nil, !result.missing.isEmpty { show(taken, result, foreign, to: .standardError) }
        let weights = try taken.weights(from: foreign, for: program)
        for note in result.notes where !json { Terminal.write("note: \(note)", to: .standardError) }
        let chain = try configuration.inferenceChain(
          registry: makeRegistry(configuration.backend.search),
          host: try makeHost(threads: configuration.backend.threads), replaying: nil, progress: showBackendProgress)
        if let check { result.difference = try difference(check, step, weights, foreign, chain) }
        if let out {
          let model = try TrainedModel(
            program: program, tensors: weights, samples: step.format(of: try samples(configuration)), weights: .raw,
            on: chain)
          try model.save(to: out)
          result.out = out
          if !json { Terminal.write("✓ \(weights.count) weights  \(out)") }
        }
      }
      if json { Terminal.write(Terminal.json(result)) }
    }
  }

  /// What the samples are: as their files say, where these are here, or as the data set's name says.
  private func samples(_ configuration: Configuration) throws -> SampleFormat {
    let source = configuration.data.source
    if case .named = source { return SampleFormat(try source.layout()) }
    let parts = try source.open()
    return parts.record.map { SampleFormat($0) } ?? SampleFormat(parts.train)
  }

  private func difference(
    _ path: String, _ step: TrainingStep, _ weights: [Safetensors.Tensor], _ foreign: ForeignWeights,
    _ chain: BackendChain
  ) throws -> Double {
    let found: WeightCheck
    do {
      found = try WeightCheck(
        try Safetensors(mapping: path), of: step, weights: weights, on: chain,
        channelsFirst: foreign.framework == .pytorch)
    } catch let error as Safetensors.FormatError {
      throw fail("\(path): \(error)", ExitStatus.badData)
    }
    let words =
      "outputs of \(found.samples) samples differ by \(found.difference) of the largest (\(found.largest)); allowed is \(tolerance)"
    guard found.difference <= tolerance else { throw fail(words, ExitStatus.failure) }
    if !json { Terminal.write("✓ \(words)") }
    return found.difference
  }

  private func show(
    _ map: WeightMap, _ result: Result?, _ foreign: ForeignWeights, to stream: Terminal.Stream = .standardOutput
  ) {
    let shapes = Dictionary(foreign.tensors.map { ($0.name, $0.shape) }) { first, _ in first }
    var table = TextTable(["theirs", "shape", "ours", "transform"])
    for entry in map.entries {
      table.add([
        entry.theirs.joined(separator: " + "), shapes[entry.theirs[0]].map { "\($0)" } ?? "", entry.ours ?? "left out",
        entry.steps.map { step in step.meaning ?? step.words }.joined(separator: ", "),
      ])
    }
    Terminal.write(table.text, to: stream)
    guard let result else { return }
    for missing in result.missing {
      Terminal.write("✗ nothing becomes \(missing.ours) \(missing.shape): \(missing.reason)", to: stream)
    }
    for name in result.leftOver { Terminal.write("✗ left over: \(name) \(shapes[name] ?? [])", to: stream) }
    for note in result.notes { Terminal.write("note: \(note)", to: stream) }
  }

  private func write(_ proposal: WeightProposal, isThere: Bool) throws {
    guard !isThere else { return }
    let text = proposal.map.text(leftOver: proposal.leftOver.map(\.name))
    if let map {
      try AtomicFile.write(text, to: map)
      if !json { Terminal.write("✓ \(map)") }
    } else if !json {
      Terminal.write("\n" + text, terminator: "")
    }
  }
}
