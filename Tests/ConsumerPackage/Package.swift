// swift-tools-version: 6.1
import PackageDescription

// A user's package, outside Switchback's own: it sees what is public and nothing else. `make test-all` runs it.
let package = Package(
  name: "consumer",
  dependencies: [.package(name: "switchback", path: "../..")],
  targets: [
    .executableTarget(
      name: "Consumer",
      dependencies: [
        .product(name: "Switchback", package: "switchback"), .product(name: "OpenBLASBackend", package: "switchback"),
      ])
  ],
  swiftLanguageModes: [.v6]
)
