import Foundation
import SwitchbackBackendKit
public import SwitchbackExecution
import SwitchbackInterchange
public import SwitchbackPrograms

/// The file of a trained model: safetensors, with the weights by their names and, as metadata, `format`, `program` (the
/// text for one sample), `samples` (`SampleFormat` as JSON), `weights` (raw or averaged) and a checksum of it all (FNV-1a,
/// 64 bits). A later format gets the next number, and every earlier one stays readable; a model is written in the
/// earliest format that can say it.
extension TrainedModel {
  private static let formatPrefix = "switchback-model-"
  /// 2: samples of several fields or answers, or of a field that is not f32; 3: with a class for each step.
  private static let newestFormat = 3
  /// Of a program's text: bounds what reading somebody's file can cost.
  private static let (longestText, mostLines) = (4 << 20, 1 << 14)

  /// Writes the file, whole or not at all.
  public func save(to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var file = Safetensors(try tensors())
    file.metadata = [
      "format": "\(Self.formatPrefix)\(samples.answersSteps ? 3 : samples.isPlain ? 1 : 2)",
      "program": program.description,
      "samples": String(decoding: try encoder.encode(samples), as: UTF8.self), "weights": weights.rawValue,
    ]
    file.metadata["checksum"] = Self.checksum(file)
    try AtomicFile.write(try file.encoded(), to: path)
  }

  /// Reads a file and proves it; `catalog` knows the operations of the user's own that the program has.
  public convenience init(
    file path: String, on chain: BackendChain, catalog: OperationCatalog = .standard
  ) throws {
    do {
      let file = try Safetensors(mapping: path)
      try self.init(file, on: chain, catalog: catalog)
    } catch let error as ExecutionError {
      throw error
    } catch let error as FileError {
      throw TrainedModelError("\(error)")
    } catch {
      throw TrainedModelError("\(path) is no trained model: \(error)")
    }
  }

  private convenience init(_ file: Safetensors, on chain: BackendChain, catalog: OperationCatalog) throws {
    try Self.check(file)
    guard let text = file.metadata["program"], let samples = try file.decoded("samples", as: SampleFormat.self),
      let weights = file.metadata["weights"].flatMap(ModelWeights.init)
    else { throw TrainedModelError("its metadata lack the program, the samples or the weights") }
    // The reader of texts compares names with names.
    guard text.utf8.count <= Self.longestText, text.utf8.count(where: { $0 == 10 }) <= Self.mostLines else {
      throw TrainedModelError("its program has more than \(Self.mostLines) lines or \(Self.longestText) bytes")
    }
    try self.init(
      program: try Program(text: text, catalog: catalog), tensors: file.tensors,
      samples: samples, weights: weights, on: chain)
  }

  /// Throws where the file is none of a trained model, of a later format, or damaged.
  package static func check(_ file: Safetensors) throws {
    guard let format = file.metadata["format"], format.hasPrefix(formatPrefix),
      let number = Int(format.dropFirst(formatPrefix.count)), number >= 1
    else { throw TrainedModelError("its metadata do not say that it is one") }
    guard number <= newestFormat else {
      throw TrainedModelError("it is of format \(number), of a later Switchback; this one reads up to \(newestFormat)")
    }
    guard checksum(file) == file.metadata["checksum"] else {
      throw TrainedModelError("its checksum does not fit its contents")
    }
  }

  /// Whether a file says that it is a trained model.
  package static func isFormat(of file: Safetensors) -> Bool {
    file.metadata["format"]?.hasPrefix(formatPrefix) == true
  }

  package static func checksum(_ file: Safetensors) -> String {
    var fingerprint = Fingerprint()
    for key in ["format", "program", "samples", "weights"] { fingerprint.mix(file.metadata[key] ?? "") }
    for tensor in file.tensors.sorted(by: { $0.name < $1.name }) {
      fingerprint.mix(tensor.name)
      fingerprint.mix("\(tensor.type) \(tensor.shape)")
      fingerprint.mix(bytes: tensor.bytes)
    }
    return fingerprint.text
  }
}
