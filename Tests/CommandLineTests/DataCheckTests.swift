import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

private func contents(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

private func files(in folder: String) throws -> [String] {
  try FileManager.default.subpathsOfDirectory(atPath: folder).filter { $0.hasSuffix(".png") }.sorted()
    .map { folder + "/" + $0 }
}

/// The newest checkpoint of a run.
private func checkpoint(_ runs: String) throws -> Data {
  let folder = runs + "/latest/checkpoints"
  let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("step-") }.sorted()
  return try contents(folder + "/" + (try #require(names.last)))
}

@Suite(.enabled(if: Image.readsCompressedFiles, "built without ImageFiles")) struct DataCheckTests {
  @Test("train names every broken file before its first step and makes no run; data check lists them too")
  func before() throws {
    let (folder, runs) = (try temporaryFolder("digits"), temporary())
    try writeImages(to: folder, count: 100)
    let good = try switchback("data", "check", "configs/image-folder.yaml", "--data", folder)
    #expect(good.status == 0, "\(good.error)")
    #expect(good.output.hasPrefix("✓ image-folder  \(folder)\ncontents sha256:"), "\(good.output)")
    #expect(good.output.contains("samples  train  test\n"), "\(good.output)")
    let paths = try files(in: folder)
    try contents(paths[3]).dropLast(20).write(to: URL(fileURLWithPath: paths[3]))
    try write([], to: paths[50])
    let train = try switchback(
      "train", "configs/image-folder.yaml", "--data", folder, "--runs", runs, "--backend", "reference")
    #expect(train.status == 65)
    #expect(train.error.contains("2 of 100 images cannot be read"), "\(train.error)")
    #expect(train.error.contains(paths[3] + " cannot be read as PNG") && train.error.contains(paths[50] + " is empty"))
    #expect(!FileManager.default.fileExists(atPath: runs))
    // Beside what else does not belong there.
    let stray = (paths[0] as NSString).deletingLastPathComponent + "/readme.txt"
    try write("hello".utf8, to: stray)
    let all = try switchback("data", "check", "configs/image-folder.yaml", "--data", folder)
    #expect(all.status == 65 && all.error.contains("3 things are wrong"), "\(all.error)")
    #expect(all.error.contains("✗ \(stray) is none of") && all.error.contains("✗ \(paths[50]) is empty"))
    try FileManager.default.removeItem(atPath: stray)
    let check = try switchback("data", "check", "configs/image-folder.yaml", "--data", folder)
    #expect(check.status == 65)
    #expect(check.error.contains("✗ \(paths[3]) cannot") && check.error.contains("✗ \(paths[50]) is empty"))
    #expect(check.error.contains("2 things are wrong"))
    let json = try switchback("data", "check", "configs/image-folder.yaml", "--data", folder, "--json")
    #expect(json.status == 65)
    let object = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
    #expect(object["isRight"] as? Bool == false)
    #expect((object["problems"] as? [String])?.count == 2)
    #expect((object["classNames"] as? [String])?.count == 10)
    let parts = try #require(object["parts"] as? [[String: Any]])
    #expect(parts.reduce(0) { $0 + ($1["count"] as? Int ?? 0) } == 100)
    #expect((parts[0]["classCounts"] as? [Int])?.reduce(0, +) == parts[0]["count"] as? Int)
  }

  @Test("data check of other data, and of what is not there")
  func others() throws {
    let mnist = try switchback("data", "check", "configs/mnist-mlp.yaml", "--data", sampleFolder)
    #expect(mnist.status == 65)
    #expect(mnist.error.contains("4 things are wrong") && mnist.error.contains("should hold"), "\(mnist.error)")
    #expect(
      try switchback("data", "check", "configs/image-folder.yaml", "--data", "/nowhere").status == 66)
    #expect(try switchback("data", "check", "/nowhere.yaml").status == 66)
    let table = try write("x,class\n1,a\n2,b\n3,a\n4,b\n5,a\n6,b\n7,a\n8,b\n".utf8, to: temporaryFolder() + "/t.csv")
    let csv = try switchback("data", "check", "configs/csv.yaml", "--data", table)
    #expect(csv.status == 0, "\(csv.error)")
    #expect(csv.output.contains("✓ csv"), "\(csv.output)")
  }

  @Test(
    "a file that breaks in mid-run ends it with 65, a checkpoint and a report; mended, --resume gives the same weights")
  func midRun() throws {
    let (folder, whole, cut) = (try temporaryFolder("digits"), temporary(), temporary())
    try writeImages(to: folder, count: 100)
    let arguments = [
      "train", "configs/image-folder.yaml", "--data", folder, "--backend", "reference", "--epochs", "2", "--set",
      "data.check=none", "--set", "training.batch_size=8", "--runs",
    ]
    let expected = try switchback(arguments + [whole])
    #expect(expected.status == 0, "\(expected.error)")
    let path = try files(in: folder)[42]
    let good = try contents(path)
    // As long as before: only its contents are wrong.
    try write([UInt8](repeating: 0, count: good.count), to: path)
    let stopped = try switchback(arguments + [cut])
    #expect(stopped.status == 65)
    #expect(
      stopped.error.contains(path) && stopped.error.contains("go on with --resume \(cut)/digits")
        || stopped.error.contains("go on with --resume \(cut)/image-folder"), "\(stopped.error)")
    #expect(FileManager.default.fileExists(atPath: cut + "/latest/report.html"))
    // Nothing is mended: it stops again, and loses nothing.
    let again = try switchback("train", "--resume", cut + "/latest")
    #expect(again.status == 65, "\(again.error)")
    try good.write(to: URL(fileURLWithPath: path))
    let resumed = try switchback("train", "--resume", cut + "/latest")
    #expect(resumed.status == 0, "\(resumed.error)")
    #expect(resumed.error.contains("going on after step"))
    #expect(try checkpoint(cut) == checkpoint(whole))
    #expect(expected.output.prefix(15) == resumed.output.prefix(15), "\(expected.output) \(resumed.output)")
  }

  @Test("a run does not go on where a picture was replaced by another of its name and size, unless it is told to")
  func replaced() throws {
    let (folder, runs) = (try temporaryFolder("digits"), temporary())
    try writeImages(to: folder, count: 60)
    let train = try switchback(
      "train", "configs/image-folder.yaml", "--data", folder, "--runs", runs, "--backend", "reference", "--steps", "1")
    #expect(train.status == 0, "\(train.error)")
    let paths = try files(in: folder)
    let (first, second) = (try contents(paths[0]), try contents(paths[40]))
    try #require(first.count == second.count && first != second)
    try second.write(to: URL(fileURLWithPath: paths[0]))
    let arguments = ["train", "--resume", runs + "/latest", "--steps", "2"]
    let refused = try switchback(arguments)
    #expect(refused.status == 65 && refused.error.contains("the contents of pictures"), "\(refused.error)")
    let told = try switchback(arguments + ["--other-data"])
    #expect(told.status == 0 && told.error.contains("going on with other data: the contents of pictures"))
    try first.write(to: URL(fileURLWithPath: paths[0]))
    // The record is of the data that it went on with.
    #expect(try switchback("train", "--resume", runs + "/latest", "--steps", "3").status == 65)
  }

  @Test("what is done to pictures is said by train and evaluate; predict warns of a faulty picture and goes on")
  func said() throws {
    let (folder, runs) = (try temporaryFolder("digits"), temporary())
    try writeImages(to: folder, count: 60)
    for name in ["turned-6.jpg", "rgba.png"] {
      try write(try contents(sampleFolder + "/images/" + name), to: "\(folder)/0/\(name)")
    }
    let train = try switchback(
      "train", "configs/image-folder.yaml", "--data", folder, "--runs", runs, "--backend", "reference", "--steps", "1")
    #expect(train.status == 0, "\(train.error)")
    let lines = [
      "warning: 1 of 62 images is turned as Exif's orientation says",
      "warning: 1 of 62 images has opacity: transparent parts become white",
    ]
    for line in lines { #expect(train.error.contains(line), "\(train.error)") }
    let evaluation = try switchback("evaluate", runs + "/latest")
    for line in lines { #expect(evaluation.error.contains(line), "\(evaluation.error)") }
    var jpeg = Array(try contents(sampleFolder + "/gray.jpg"))
    let place = try #require(jpeg.indices.dropLast().first { jpeg[$0] == 0xff && jpeg[$0 + 1] == 0xc4 })
    jpeg.insert(contentsOf: [1, 2, 3], at: place)
    let path = try write(jpeg, to: temporaryFolder() + "/faulty.jpg")
    let prediction = try switchback("predict", runs + "/latest", path)
    #expect(prediction.status == 0)
    #expect(prediction.error.contains("warning: \(path): ") && prediction.error.contains("extraneous bytes"))
  }
}
