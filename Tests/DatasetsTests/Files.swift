import Foundation

/// The checkout.
let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent().path

/// A folder with 512 + 128 images of the real MNIST in `mnist/`.
let sampleFolder = root + "/Tests/Samples"

/// A new folder under the temporary one.
func temporaryFolder(_ name: String = "folder") throws -> String {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString)/\(name)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  return folder.path
}

/// Writes a file, with its folders.
@discardableResult
func write(_ bytes: some Sequence<UInt8>, to path: String) throws -> String {
  let url = URL(fileURLWithPath: path)
  try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
  try Data(bytes).write(to: url)
  return path
}
