import Foundation
import Switchback
import TestFiles
import Testing

/// `Tests/ConsumerPackage` is a user's own package, which `make test-all` builds; its files are compiled here too.
@Suite struct ReadmeTests {
  private func text(_ path: String) throws -> String {
    try String(contentsOfFile: root + "/" + path, encoding: .utf8)
  }

  @Test("the README's Swift is what the tests and the consumer package compile, word for word")
  func sameText() throws {
    let readme = try text("README.md")
    let start = try #require(readme.range(of: "```swift\nimport Switchback\n\n"))
    let end = try #require(readme.range(of: "\n```", range: start.upperBound..<readme.endIndex))
    let snippet = String(readme[start.upperBound..<end.lowerBound])
    for path in [
      "Tests/ConsumerPackage/Sources/Consumer/snippet.swift", "Tests/CommandLineTests/Snippet.swift",
    ] {
      let parts = try text(path).components(separatedBy: "  // README\n")
      try #require(parts.count == 3, "\(path)")
      let code = parts[1].split(separator: "\n", omittingEmptySubsequences: false)
        .map { $0.hasPrefix("  ") ? $0.dropFirst(2) : $0 }.joined(separator: "\n")
      #expect(code == snippet + "\n", "\(path)")
    }
  }

  @Test(
    "a masked recurrent network with a cell of one's own, and a transformer with blocks of one's own, take under 60 lines"
  )
  func consumers() throws {
    for (name, words) in [
      ("recurrent", ["maskZero: true", "RecurrentCell", "Bidirectional"]), ("transformer", ["MultiHeadAttention"]),
    ] {
      let code = try text("Tests/ConsumerPackage/Sources/Consumer/\(name).swift")
      #expect(code.split(separator: "\n", omittingEmptySubsequences: false).count <= 60, "\(name)")
      for word in words { #expect(code.contains(word), "\(name) has no \(word)") }
    }
  }

  @Test("the README's Swift trains, saves, loads and predicts")
  func runs() throws {
    let folder = try temporaryFolder()
    let data = try ByteDataset(
      sampleShape: [28, 28, 1], classNames: (0...9).map { "\($0)" },
      samples: (0..<640).flatMap { n in (0..<784).map { UInt8($0 / 79 == n % 10 ? 220 : 10) } },
      labels: (0..<640).map { Int32($0 % 10) })
    let (session, loaded) = try snippet(data, in: folder)
    for index in 0..<10 {
      let values = try data.sample(index).values
      let answer = try loaded.predict(values)
      #expect(try answer.outputs == session.predict(values))
      #expect(answer.best?.name == "\(index)")
    }
    // The session goes on from its file.
    let next = try TrainingSession(step: session.step, batchSize: 64, seed: 1, on: .standard())
    try next.load(from: folder + "/session.safetensors")
    #expect(try next.evaluate(data) == session.evaluate(data))
  }
}
