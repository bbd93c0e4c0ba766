import ArgumentParser
import Foundation
import Switchback
import SwitchbackInference
import SwitchbackInterchange
import SwitchbackTraining

struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Writes a run's weights for Swift, PyTorch or Keras.",
    discussion: flowing(
      """
      For switchback the file is a trained model, which Swift loads without the configuration (TrainedModel). For PyTorch and
      Keras it is safetensors with tensors in their forms, called by the paths of our layers, or by the map that imported
      them (--map). Keras's order of layers is in the metadata (order). Examples:

        switchback export runs/latest model.safetensors
        switchback export runs/latest --to pytorch torch.safetensors
        # back to the names that the weights came with:
        switchback export runs/latest --to pytorch torch.safetensors --map map.yaml
      """))

  enum Framework: String, ExpressibleByArgument, CaseIterable { case switchback, pytorch, keras }

  @OptionGroup var options: RunOptions

  @Argument(help: "The file to write, which must not be there.", completion: .file(extensions: ["safetensors"]))
  var file: String

  @Option(help: "Who reads it.")
  var to = Framework.switchback

  @Option(help: "The map that imported the weights: the way back.", completion: .file())
  var map: String?

  @Flag(help: "One JSON object on standard output.")
  var json = false

  private struct Result: Encodable {
    var file: String
    var tensors: [String]
  }

  func validate() throws {
    guard map == nil || to != .switchback else { throw ValidationError("--map is for pytorch and keras") }
  }

  func run() throws {
    try reportingErrors {
      guard !FileManager.default.fileExists(atPath: file) else {
        throw fail("\(file) is there already; name another file", ExitStatus.cannotWrite)
      }
      let model = try options.restored().model()
      var tensors = try model.tensors()
      if let framework = ForeignWeights.Framework(rawValue: to.rawValue), framework != .switchback {
        let read = try map.map { try WeightMap(text: TextFile.read($0), file: $0) }
        tensors = try (read ?? WeightMap.usual(framework, for: model.program)).exported(tensors)
        let order = String(decoding: try JSONEncoder().encode(tensors.map(\.name)), as: UTF8.self)
        let written = Safetensors(tensors, metadata: ["framework": framework.rawValue, "order": order])
        try AtomicFile.write(try written.encoded(), to: file)
      } else {
        try model.save(to: file)
      }
      if json {
        Terminal.write(Terminal.json(Result(file: file, tensors: tensors.map(\.name))))
      } else {
        Terminal.write("✓ \(tensors.count) tensors  \(file)")
      }
    }
  }
}
