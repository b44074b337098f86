mod dice;
mod project;
mod shop;
mod wire;
