import ArgumentParser
import Foundation
import Switchback

struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "The likeliest classes of a test sample, of image files or of a folder of them.",
    discussion: """
      Images (PNG, JPEG, PGM, PPM) are turned as Exif says, put on white where they are transparent, resized, and made gray
      or coloured as the network wants them. A single image is shown as text on a terminal; of several there is a table as
      CSV. MNIST's digits are bright on black: pictures of ink on paper want --invert. Examples:

        switchback predict runs/latest --index 7
        switchback predict runs/latest digit.png --invert
        switchback predict runs/latest photos/ --output photos.csv
        switchback predict runs/latest a.png b.png --json
      """)

  @OptionGroup var options: RunOptions

  @Argument(help: "Image files, or folders of them.")
  var paths: [String] = []

  @Option(help: "A sample of the test set, instead of files.")
  var index: Int?

  @Flag(help: "Makes dark bright and bright dark.")
  var invert = false

  @Option(help: "The file for the table, instead of standard output.")
  var output: String?

  @Flag(help: "JSON Lines on standard output: a sample each.")
  var json = false

  struct Prediction: Encodable {
    struct Class: Encodable {
      var name: String
      var probability: Double
    }
    var sample: String
    /// The likeliest first, at most five.
    var classes: [Class]
    /// The network's outputs, where targets are numbers.
    var values: [Double]?
  }

  func run() throws {
    try reportingErrors {
      guard (index == nil) != paths.isEmpty else {
        throw fail("predict takes either --index or image files", ExitCode(64))
      }
      let run = try options.restored()
      if let index {
        try predict(index, run)
      } else {
        try predict(try files(), run)
      }
    }
  }

  // MARK: A sample of the test set

  private func predict(_ index: Int, _ run: RestoredRun) throws {
    let test = try run.test()
    guard (0..<test.count).contains(index) else {
      throw fail("--index must lie from 0 to \(test.count - 1)", ExitCode(64))
    }
    let sample = try test.sample(index)
    let prediction = try prediction("test \(index)", run.session.predict(test, [Int32(index)])[0], test.classNames)
    if json {
      Terminal.write(Terminal.json(prediction))
      return
    }
    show(sample.values, test.sampleShape, prediction)
    if test.targets == .classes {
      Terminal.write("label: \(test.classNames[Int(sample.target[0])])")
    } else {
      Terminal.write("target: \(sample.target.map { "\($0)" }.joined(separator: " "))")
    }
  }

  // MARK: Files

  /// The files, with what folders hold in their place.
  private func files() throws -> [String] {
    try paths.flatMap { path in
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
        throw fail("there is no file \(path)", ExitStatus.missingFile)
      }
      guard isFolder.boolValue else { return [path] }
      let images = ((try? FileManager.default.subpathsOfDirectory(atPath: path)) ?? []).sorted()
        .filter { Image.endings.contains(($0 as NSString).pathExtension.lowercased()) }
      guard !images.isEmpty else {
        throw fail("\(path) holds no images (\(Image.endings.joined(separator: ", ")))", ExitStatus.missingFile)
      }
      return images.map { path + "/" + $0 }
    }
  }

  private func predict(_ files: [String], _ run: RestoredRun) throws {
    let names = try run.classNames()
    let shape = run.session.step.sampleShape.extents
    let images = try ImageFiles(paths: files, classNames: names, sampleShape: shape) {
      Terminal.write("warning: \($0)", to: .standardError)
    }
    var rows: [Prediction] = []
    var unreadable = 0
    for (index, file) in files.enumerated() {
      let values: [Float]
      do {
        values = try images.sample(index).values.map { invert ? 1 - $0 : $0 }
      } catch {
        // One broken picture of a thousand is said, and the others are predicted.
        _ = fail(error.message, ExitStatus.badData)
        unreadable += 1
        continue
      }
      let row = try prediction(file, run.session.predict(values), names)
      if json {
        Terminal.write(Terminal.json(row))
      } else if files.count == 1, output == nil {
        show(values, shape, row)
      }
      rows.append(row)
    }
    if !json, files.count > 1 || output != nil { try writeTable(rows) }
    if unreadable > 0 { throw ExitStatus.badData }
  }

  private func writeTable(_ rows: [Prediction]) throws {
    let columns = rows.map(\.classes.count).max() ?? 0
    let head =
      ["file"]
      + (0..<columns).flatMap { $0 == 0 ? ["class", "probability"] : ["class_\($0 + 1)", "probability_\($0 + 1)"] }
    let lines = rows.map { row in
      ([row.sample] + row.classes.flatMap { [$0.name, String(format: "%.6f", $0.probability)] }).map(Self.quoted)
        .joined(separator: ",")
    }
    let text = ([head.joined(separator: ",")] + lines).joined(separator: "\n") + "\n"
    guard let output else {
      Terminal.write(text, terminator: "")
      return
    }
    do {
      try Data(text.utf8).write(to: URL(fileURLWithPath: output), options: .atomic)
    } catch {
      throw fail("\(output) cannot be written: \(error.localizedDescription)", ExitStatus.cannotWrite)
    }
  }

  /// As RFC 4180 has it.
  private static func quoted(_ cell: String) -> String {
    guard cell.contains(where: { ",\"\n".contains($0) }) else { return cell }
    return "\"" + cell.replacingOccurrences(of: "\"", with: "\"\"") + "\""
  }

  // MARK: Showing

  private func prediction(_ sample: String, _ outputs: [Float], _ names: [String]) throws -> Prediction {
    guard !names.isEmpty else { return Prediction(sample: sample, classes: [], values: outputs.map(Double.init)) }
    // A single output is the probability of the second class.
    let probabilities = outputs.count == 1 && names.count == 2 ? [1 - outputs[0], outputs[0]] : outputs
    let best = probabilities.indices.sorted { probabilities[$0] > probabilities[$1] }.prefix(5)
    return Prediction(
      sample: sample,
      classes: best.map { index in
        .init(
          name: index < names.count ? names[index] : "class \(index)", probability: Double(probabilities[index]))
      })
  }

  private func show(_ values: [Float], _ shape: [Int], _ prediction: Prediction) {
    if shape.count == 3, Terminal.Stream.standardOutput.isInteractive || index != nil {
      let ramp = Array(" .:-=+*#%@")
      for row in 0..<shape[0] {
        let line = (0..<shape[1]).map { column in
          let pixel = (row * shape[1] + column) * shape[2]
          let brightness = values[pixel..<pixel + shape[2]].reduce(0, +) / Float(shape[2])
          // Two characters a pixel: a cell of a terminal is about twice as high as wide.
          return String(repeating: ramp[min(max(Int(brightness * 9), 0), 9)], count: 2)
        }
        Terminal.write(line.joined())
      }
    }
    for found in prediction.classes {
      Terminal.write("\((found.probability * 1000).rounded() / 10) %  \(found.name)")
    }
    if let values = prediction.values { Terminal.write(values.map { "\($0)" }.joined(separator: " ")) }
  }
}
