import Foundation
import SwitchbackDatasets

/// The checkout.
public let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent().path

/// A folder with 512 + 128 images of the real MNIST in `mnist/`.
public let sampleFolder = root + "/Tests/Samples"

/// The real MNIST beside the checkout.
public let mnistFolder = root + "/../shared/data/mnist"
/// Whether it is there and can be read.
public let hasMNIST =
  Image.readsCompressedFiles && FileManager.default.fileExists(atPath: mnistFolder + "/train-images-idx3-ubyte.gz")

/// Whether tests take as long as `make test-all` lets them.
public let runsLongTests = ProcessInfo.processInfo.environment["SWITCHBACK_LONG_TESTS"] != nil

/// A new folder under the temporary one.
public func temporaryFolder(_ name: String = "folder") throws -> String {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString)/\(name)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  return folder.path
}

/// Writes a file, with its folders.
@discardableResult
public func write(_ bytes: some Sequence<UInt8>, to path: String) throws -> String {
  let url = URL(fileURLWithPath: path)
  try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
  try Data(bytes).write(to: url)
  return path
}

/// The first `count` images of the sample as PNG files, `FOLDER/CLASS/0007.png`; the bytes of each by its path.
@discardableResult
public func writeImages(
  to folder: String, train: Bool = true, count: Int, classes: Int = 10
) throws -> [String: ArraySlice<UInt8>] {
  let parts = try NamedDataset.named("mnist").load(given: sampleFolder)
  let data = train ? parts.train : parts.test
  var written: [String: ArraySlice<UInt8>] = [:]
  for index in 0..<count where data.labels[index] < Int32(classes) {
    let pixels = data.samples[index * 784..<(index + 1) * 784]
    let path = "\(folder)/\(data.labels[index])/\(String(format: "%04d", index)).png"
    try write(PNG.encode(width: 28, height: 28, channels: 1, pixels: Array(pixels)), to: path)
    written[path] = pixels
  }
  return written
}
