/// The layers that configurations know, besides `block`, which is written out where it is read, and activation functions.
package enum LayerCatalog {
  package static let layers: [any ConfigurableLayer.Type] = [
    Dense.self, Conv2D.self, MaxPooling2D.self, AveragePooling2D.self, GlobalAveragePooling2D.self,
    GlobalMaxPooling2D.self, Flatten.self,
    UpSampling2D.self,
    Dropout.self, Rescaling.self, Activation.self, LeakyReLU.self, PReLU.self, BatchNormalization.self,
    LayerNormalization.self, GroupNormalization.self, RMSNormalization.self,
    Embedding.self, Add.self, Multiply.self, Concatenate.self, Dot.self, Shared.self,
    Residual.self, Repeat.self,
  ]
}
